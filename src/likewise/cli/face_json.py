"""Faces as JSON, the same for every command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from likewise.faces.face import Face
    from likewise.recognition.recognizer import RecognizedFace

__all__ = ["face_json", "recognized_json", "rounded"]


def face_json(face: Face) -> dict[str, Any]:
    """A face without its pixels."""
    from likewise.faces.face import POINT_NAMES

    points = zip(POINT_NAMES, face.points.tolist(), strict=True)
    return {
        "box": rounded(face.box),
        "points": {name: rounded(place) for name, place in points},
        "score": round(face.score, 4),
        "landmark_score": round(face.landmark_score, 4),
        "turn": round(face.turn, 1),
        "eye_distance": round(face.eye_distance, 1),
        "reasons": list(face.reasons),
        "signals": {name: round(value, 4) for name, value in face.signals.items()},
    }


def recognized_json(face: RecognizedFace, poor: Sequence[str]) -> dict[str, Any]:
    """A face that was embedded, without its vector; ``poor`` says why it may not be recognised."""
    return {
        **face_json(face.face),
        "norm": face.norm,
        "quality": face.quality,
        "poor": list(poor),
    }


def rounded(numbers: Iterable[float]) -> list[float]:
    """Pixels, to a tenth."""
    return [round(float(number), 1) for number in numbers]
