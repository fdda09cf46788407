"""A report: ``report.json`` for machines, and one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from likewise.data.images import BadImage, ImageSource, decode
from likewise.data.manifest import Manifest
from likewise.evaluation.experiment import Experiment
from likewise.evaluation.findings import Findings
from likewise.evaluation.report.plots import (
    cmc_plot,
    det_plot,
    group_plot,
    reliability_plot,
    roc_plot,
    score_plot,
)
from likewise.evaluation.report.score_file import write_scores
from likewise.pages.environment import render
from likewise.storage import write_json, write_text

__all__ = ["thumbnail", "write_report"]

WORST = 12
THUMBNAIL = 96


@dataclass(frozen=True)
class WrongPair:
    """A pair that the embedder got most wrong, with its pictures as data URIs."""

    left: str
    right: str
    left_name: str
    right_name: str
    score: float


def write_report(
    experiment: Experiment,
    folder: str | Path,
    photos: Manifest | str | Path | None = None,
    findings: Findings | None = None,
) -> Path:
    """Write ``report.json``, ``scores.parquet`` and ``report.html``; returns the page.

    Args:
        experiment: what was measured.
        folder: where to.
        photos: the photos, or the folder that their names start from; without them the worst
            pairs are named only.
        findings: what else was measured.
    """
    folder, more = Path(folder), findings or Findings()
    values = experiment.to_dict() | ({"findings": more.to_dict()} if findings else {})
    write_scores(experiment, folder)
    write_json(folder / "report.json", values)
    measured = experiment.measured
    distance = str(experiment.settings.get("distance", "cosine"))
    html = render(
        "report",
        title=_title(values["settings"]),
        summary=_summary(experiment, more),
        measured=measured,
        intervals=experiment.intervals,
        folds=experiment.folds,
        more=more,
        roc=roc_plot(measured),
        det=det_plot(measured),
        histogram=score_plot(measured, experiment.scores, experiment.same, distance),
        cmc=cmc_plot(more.identification) if more.identification else "",
        reliability=reliability_plot(more.reliability) if more.reliability else "",
        groups=[(report, group_plot(report)) for report in more.groups],
        missed=_worst(experiment, photos, same=True),
        confused=_worst(experiment, photos, same=False),
        missing=experiment.missing,
        settings=_rows(values["settings"]),
        versions=_rows(values["versions"]),
        machine=_rows(values["machine"]),
    )
    write_text(folder / "report.html", html)
    return folder / "report.html"


def _title(settings: Mapping[str, Any]) -> str:
    """What was evaluated, and with which model, as far as it is known."""
    data, model = settings.get("data"), settings.get("model")
    title = f"Evaluation of {data}" if data else "Evaluation report"
    return f"{title} with {model}" if model else title


def _summary(experiment: Experiment, more: Findings) -> list[str]:
    measured = experiment.measured
    lines = [
        f"Of {measured.genuine:,} pairs of the same person and {measured.impostor:,} pairs of "
        f"different people, a same-person pair scores higher than a different-person pair "
        f"{measured.auc:.2%} of the time.",
        f"At the threshold where both kinds of error are equally frequent, {measured.eer:.2%} of "
        "pairs are judged wrongly.",
    ]
    if trained_on := experiment.settings.get("people_in_training"):
        lines.append(
            f"{trained_on:,} of these people have the names of people that the model was trained "
            "on: on people it has seen, a model looks better than it is."
        )
    if experiment.folds is not None:
        folds = experiment.folds
        lines.append(
            f"Accuracy over {len(folds.accuracies)} folds: {folds.mean:.3%} ± "
            f"{folds.standard_error:.3%} (standard error), each fold with the threshold that is "
            "best on the others."
        )
    if (sure := experiment.intervals) is not None:
        lines.append(
            f"With {sure.level:.0%} confidence, other people of the same kind would give an AUC "
            f"between {sure.auc.low:.4f} and {sure.auc.high:.4f}, and an equal error rate between "
            f"{sure.eer.low:.2%} and {sure.eer.high:.2%} ({sure.identities:,} identities)."
        )
    if more.identification is not None:
        closed = more.identification.closed
        lines.append(
            f"Searched for among {more.identification.identities:,} people with one photo each, "
            f"the right one comes first {closed.rates[1]:.2%} of the time."
        )
    if more.reliability is not None:
        lines.append(
            f"The probabilities cost {more.reliability.cllr:.3f} bits (Cllr; 0 is perfect, 1 knows "
            f"nothing), of which {more.reliability.cllr - more.reliability.min_cllr:.3f} are the "
            "calibration's."
        )
    return [*lines, *(f"Left out: {reason}." for reason in more.left_out)]


def _worst(
    experiment: Experiment, photos: Manifest | str | Path | None, *, same: bool
) -> list[WrongPair]:
    """The genuine pairs with the lowest score, or the impostor pairs with the highest."""
    rows = np.flatnonzero(experiment.same == same)
    scores = experiment.scores[rows] if same else -experiment.scores[rows]
    chosen = rows[np.argsort(scores, kind="stable")[:WORST]]
    pairs = []
    for row in chosen.tolist():
        left = experiment.names[experiment.left[row]]
        right = experiment.names[experiment.right[row]]
        seen, other = (_picture(photos, name) for name in (left, right))
        pairs.append(WrongPair(seen, other, left, right, float(experiment.scores[row])))
    return pairs


def _picture(photos: Manifest | str | Path | None, name: str) -> str:
    if photos is None:
        return ""
    return thumbnail(photos.named(name) if isinstance(photos, Manifest) else Path(photos) / name)


def thumbnail(photo: ImageSource, size: int = THUMBNAIL) -> str:
    """A small JPEG of a photo as a data URI; empty if it cannot be read."""
    try:
        image = decode(photo)
    except BadImage:
        return ""
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _rows(values: dict[str, Any]) -> list[tuple[str, str]]:
    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return [(key.replace("_", " "), text(value)) for key, value in values.items()]
