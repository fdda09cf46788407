"""Faces that are too poor to rely on, and what can still be said of them.

Measured on 250 people of LFW with photos blurred or shrunk (`python -m benchmarks.faces`): a poor
face is rarely taken for another person, but often not recognised. Two poor faces look alike whoever
they show. So a match of one poor face counts, its failure to match says nothing, and nothing at all
follows from two poor faces.
"""

from __future__ import annotations

from likewise.recognition.recognizer import RecognizedFace

__all__ = ["LEAST_QUALITY", "why_poor"]

LEAST_QUALITY = 0.01  # the share of the model's reference photos that have a lower quality


def why_poor(face: RecognizedFace) -> tuple[str, ...]:
    """The reasons why a face may not be recognised, in words; empty for a good one."""
    reasons = tuple(face.face.reasons)
    if face.quality is not None and face.quality < LEAST_QUALITY:
        reasons += (
            f"unclear: {1 - LEAST_QUALITY:.0%} of the photos that the model was measured with are "
            "clearer",
        )
    return reasons
