"""The plots of a report, as SVG for its page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from likewise.evaluation.calibration.reliability import Reliability
from likewise.evaluation.error_versus_discard import ErrorDiscard
from likewise.evaluation.groups import GroupReport
from likewise.evaluation.identification.closed_set import Identification
from likewise.evaluation.verification.metrics import Verification
from likewise.evaluation.verification.roc import Roc
from likewise.pages import curves, rates
from likewise.pages.plots import GENUINE, IMPOSTOR, INK, canvas, legend_above, svg

__all__ = [
    "cmc_plot",
    "det_plot",
    "discard_plot",
    "group_plot",
    "reliability_plot",
    "roc_plot",
    "rocs_plot",
    "score_plot",
]


def roc_plot(measured: Verification) -> str:
    """TAR against FAR on a logarithmic axis, with the requested operating points."""
    return svg(curves.roc(measured).figure())


def score_plot(
    measured: Verification, scores: np.ndarray, same: np.ndarray, distance: str = "cosine"
) -> str:
    """Histograms of genuine and impostor scores, with the threshold of the EER."""
    return svg(curves.scores(measured, scores[same], scores[~same], distance).figure())


def rocs_plot(found: dict[str, Roc], impostor: int) -> str:
    """Several ROCs on one logarithmic axis."""
    return svg(curves.rocs(found, impostor).figure())


def det_plot(measured: Verification) -> str:
    """FNMR against FMR on normal deviate scales, where normal distributions give straight lines."""
    return svg(curves.det(measured).figure())


def cmc_plot(found: Identification) -> str:
    """CMC: the share of mated probes whose mate is among the first k, by rank k."""
    return svg(rates.cmc(found.closed.cmc).figure())


def reliability_plot(found: Reliability) -> str:
    """The share of genuine pairs against the predicted probability, in bins."""
    return svg(rates.reliability(found.points).figure())


def group_plot(report: GroupReport) -> str:
    """FMR and FNMR of each group and of all pairs, with confidence intervals."""
    height = 1.2 + 0.36 * (1 + len(report.groups))
    figure, axes = canvas("error rate", "", height)
    names = []
    for place, entry in enumerate(reversed((report.overall, *report.groups))):
        names.append(f"{entry.group} ({entry.identities:,})")
        for rate, color, shift in ((entry.fmr, IMPOSTOR, 0.12), (entry.fnmr, GENUINE, -0.12)):
            if rate is not None:
                axes.plot([rate.low, rate.high], [place + shift] * 2, color=color, lw=1.5)
                axes.plot(rate.value, place + shift, "o", color=color, ms=5)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.set_xlim(left=0)
    for color, label in ((IMPOSTOR, "FMR"), (GENUINE, "FNMR")):
        axes.plot([], [], "o-", color=color, label=label)
    legend_above(figure)
    return svg(figure)


def discard_plot(found: Sequence[ErrorDiscard]) -> str:
    """FNMR against the share of genuine pairs discarded, one curve for each quality measure."""
    figure, axes = canvas("genuine pairs discarded, lowest quality first (%)", "FNMR (%)")
    colors = (GENUINE, IMPOSTOR, "#4338ca", INK)
    for curve, color in zip(found, colors * (1 + len(found) // len(colors)), strict=False):
        share = 100 * curve.shares
        axes.fill_between(
            share, 100 * curve.low, 100 * curve.high, step="post", color=color, alpha=0.15, lw=0
        )
        axes.step(
            share, 100 * curve.curve.at(curve.shares), where="post", color=color, lw=2,
            label=curve.column,
        )  # fmt: skip
    chance = 100 * float(found[0].curve.fnmr[0])
    axes.axhline(chance, color="#94a3b8", lw=1, ls="--", label="random")
    axes.set_xlim(0, 100 * found[0].shares[-1])
    axes.set_ylim(bottom=0)
    legend_above(figure)
    return svg(figure)
