"""The report of an evaluation: ``report.json`` and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from likewise.data.manifest import Manifest
from likewise.evaluation.experiment import Experiment
from likewise.evaluation.findings import Findings
from likewise.evaluation.report.plots import (
    cmc_plot,
    det_plot,
    discard_plot,
    group_plot,
    reliability_plot,
    roc_plot,
    score_plot,
)
from likewise.evaluation.report.score_file import write_scores
from likewise.pages.environment import named_values, render
from likewise.pages.pictures import thumbnail
from likewise.storage import write_json, write_text

__all__ = ["write_report"]

WORST = 12


@dataclass(frozen=True)
class WrongPair:
    """One of the worst errors: a pair with its thumbnails as data URIs."""

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
        folder: to write to.
        photos: a manifest, or the folder that the photos' names are relative to; if None, the
            worst pairs have no thumbnails.
        findings: the results of further tasks.

    Example:
        >>> import likewise
        >>> found = likewise.evaluate([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], ["a", "a", "b", "b"])
        >>> likewise.write_report(found, "report").name
        'report.html'
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
        discard=discard_plot(more.quality) if more.quality else "",
        genuine=_worst(experiment, photos, same=True),
        impostor=_worst(experiment, photos, same=False),
        missing=experiment.missing,
        settings=named_values(values["settings"]),
        versions=named_values(values["versions"]),
        machine=named_values(values["machine"]),
    )
    write_text(folder / "report.html", html)
    return folder / "report.html"


def _title(settings: Mapping[str, Any]) -> str:
    """The title, with the data and the model if they are known."""
    data, model = settings.get("data"), settings.get("model")
    title = f"Evaluation of {data}" if data else "Evaluation report"
    return f"{title} with {model}" if model else title


def _summary(experiment: Experiment, more: Findings) -> list[str]:
    measured = experiment.measured
    lines = [
        f"Of {measured.genuine:,} pairs of the same person and {measured.impostor:,} pairs of "
        f"different people, a same-person pair scores higher than a different-person pair "
        f"{measured.auc:.2%} of the time.",
        f"At the threshold where both error rates are equal, {measured.eer:.2%} of pairs are "
        "classified wrongly (equal error rate).",
    ]
    if trained_on := experiment.settings.get("people_in_training"):
        lines.append(
            f"{trained_on:,} of these people have the same names as people in the training data. "
            "Results on people from the training data are too optimistic."
        )
    if experiment.folds is not None:
        folds = experiment.folds
        lines.append(
            f"Accuracy over {len(folds.accuracies)} folds: {folds.mean:.3%} ± "
            f"{folds.standard_error:.3%} (standard error), each fold at the best threshold of the "
            "other folds."
        )
    if (intervals := experiment.intervals) is not None:
        auc, eer = intervals.auc, intervals.eer
        lines.append(
            f"{intervals.level:.0%} confidence intervals over {intervals.identities:,} identities: "
            f"AUC {auc.low:.4f} to {auc.high:.4f}, equal error rate {eer.low:.2%} to "
            f"{eer.high:.2%}."
        )
    if more.identification is not None:
        closed = more.identification.closed
        lines.append(
            f"Identification in a gallery of {more.identification.identities:,} people with one "
            f"photo each: the right person is at rank 1 in {closed.rates[1]:.2%} of searches."
        )
    if more.reliability is not None:
        lines.append(
            f"Cllr of the calibrated probabilities: {more.reliability.cllr:.3f} bits (0 is "
            "perfect, 1 is no information), of which "
            f"{more.reliability.cllr - more.reliability.min_cllr:.3f} are calibration loss."
        )
    return [*lines, *(f"Left out: {reason}." for reason in more.left_out)]


def _worst(
    experiment: Experiment, photos: Manifest | str | Path | None, *, same: bool
) -> list[WrongPair]:
    """The genuine pairs with the lowest scores, or the impostor pairs with the highest."""
    rows = np.flatnonzero(experiment.same == same)
    scores = experiment.scores[rows] if same else -experiment.scores[rows]
    chosen = rows[np.argsort(scores, kind="stable")[:WORST]]
    pairs = []
    for row in chosen.tolist():
        left = experiment.names[experiment.left[row]]
        right = experiment.names[experiment.right[row]]
        images = [_thumbnail(photos, name) for name in (left, right)]
        pairs.append(WrongPair(images[0], images[1], left, right, float(experiment.scores[row])))
    return pairs


def _thumbnail(photos: Manifest | str | Path | None, name: str) -> str:
    if photos is None:
        return ""
    return thumbnail(photos.named(name) if isinstance(photos, Manifest) else Path(photos) / name)
