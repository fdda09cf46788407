"""The model card that every saved embedder carries: what it is, how good, and how to use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from likewise.models.embedder import Embedder

__all__ = ["model_card"]


def model_card(embedder: Embedder) -> str:
    """Markdown for ``MODEL_CARD.md``."""
    preprocess = embedder.preprocess
    colour = "colour" if preprocess.channels == 3 else "grey"
    lines = [
        f"# {embedder.network}: embeddings of {embedder.dimension} numbers",
        "",
        f"- Input: {colour} photos, {preprocess.height}×{preprocess.width} pixels; the "
        "preprocessing is stored in `config.json` and applied by `embed()`.",
        f"- Fingerprint: `{embedder.fingerprint}`",
    ]
    if embedder.identities is not None:
        lines.append(f"- Trained on {len(embedder.identities):,} identities.")
    point = embedder.operating_point
    if point is not None:
        lines.append(
            f"- Two photos with a cosine score of {point.threshold:.4f} or more count as the same "
            f"person; measured there: TAR {point.tar:.4f} at FAR {point.far:.2g} "
            f"({point.genuine:,} genuine, {point.impostor:,} impostor pairs)."
        )
    for other in embedder.operating_points:
        between = ""
        if other.far_interval is not None:
            between = " (95 %: {:.2g} to {:.2g})".format(*other.far_interval)
        lines.append(
            f"- Threshold {other.threshold:.4f}: FMR {other.far:.2g}{between}, TAR {other.tar:.4f}."
        )
    if embedder.calibration is not None:
        lines.append(
            f"- Scores are calibrated ({embedder.calibration.method}): `likewise verify` gives "
            "the probability that two photos show one person."
        )
    for key, value in embedder.about.items():
        lines.append(f"- {key}: {value}")
    own = embedder.backbone is None and embedder.source_file is None
    given = f", module={embedder.network}(…)" if own else ""
    return "\n".join(
        [
            *lines,
            "",
            "```python",
            "import likewise",
            f'embedder = likewise.load("this folder"{given})',
            'embedder.embed(["a.jpg", "b.jpg"])  # float32, unit length',
            "```",
            "",
        ]
    )
