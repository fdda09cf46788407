"""The model card of a saved embedder: what it is, how accurate it is, and how to use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["model_card"]


def model_card(config: dict[str, Any], dimension: int, identities: Sequence[str] | None) -> str:
    """The Markdown of ``MODEL_CARD.md``.

    Args:
        config: the content of ``config.json``.
        dimension: D of the embeddings.
        identities: the people the network was trained on, if known.
    """
    preprocess, point, calibration = (
        config[key] for key in ("preprocess", "operating_point", "calibration")
    )
    colour = "colour" if preprocess["channels"] == 3 else "grey"
    lines = [
        f"# {config['network']}: embeddings of {dimension} numbers",
        "",
        f"- Input: {colour} photos, {preprocess['height']}×{preprocess['width']} pixels; the "
        "preprocessing is stored in `config.json` and applied by `embed()`.",
        f"- Fingerprint: `{config['fingerprint']}`",
    ]
    if identities is not None:
        lines.append(f"- Trained on {len(identities):,} identities.")
    if point is not None:
        lines.append(
            f"- Two photos with a cosine score of {point['threshold']:.4f} or more count as the "
            f"same person; measured there: TAR {point['tar']:.4f} at FAR {point['far']:.2g} "
            f"({point['genuine']:,} genuine, {point['impostor']:,} impostor pairs)."
        )
    for other in config["operating_points"]:
        interval = ""
        if other["far_interval"] is not None:
            interval = " (95 % confidence interval: {:.2g} to {:.2g})".format(
                *other["far_interval"]
            )
        lines.append(
            f"- Threshold {other['threshold']:.4f}: FMR {other['far']:.2g}{interval}, "
            f"TAR {other['tar']:.4f}."
        )
    if calibration is not None:
        lines.append(
            f"- Scores are calibrated ({calibration['method']}): `likewise verify` gives "
            "the probability that two photos show one person."
        )
    if (norms := config.get("norms")) is not None:
        lines.append(
            f"- The quality of a photo is the percentile of its raw embedding's length among "
            f"{norms['count']:,} photos{' of ' + norms['of'] if norms['of'] else ''}."
        )
    for key, value in config["about"].items():
        lines.append(f"- {key}: {value}")
    own = config["backbone"] is None and not {"onnx", "program"} & config.keys()
    module = f", module={config['network']}(…)" if own else ""
    return "\n".join(
        [
            *lines,
            "",
            "```python",
            "import likewise",
            f'embedder = likewise.load("this folder"{module})',
            'embedder.embed(["a.jpg", "b.jpg"])  # float32, unit length',
            "```",
            "",
        ]
    )
