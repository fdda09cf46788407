"""The plots of a report, as SVG for its page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from likewise.evaluation.calibration.reliability import Reliability
from likewise.evaluation.error_versus_discard import ErrorDiscard
from likewise.evaluation.groups import GroupReport
from likewise.evaluation.identification.closed_set import Identification
from likewise.evaluation.verification.metrics import Verification
from likewise.evaluation.verification.roc import Roc, det
from likewise.pages.plots import (
    GENUINE,
    IMPOSTOR,
    INK,
    LETTERING,
    canvas,
    legend_above,
    rate_axis,
    svg,
)

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

POINTS = 1000  # of a curve: more than a page can show
RATES = (1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5, 0.8)  # ticks on the axes of a DET


def roc_plot(measured: Verification) -> str:
    """TAR against FAR on a logarithmic axis, with the requested operating points."""
    figure, axes = canvas("false accept rate (FAR)", "true accept rate (TAR)")
    curve = measured.roc.thinned(POINTS)
    smallest = 1 / measured.impostor
    axes.step(np.maximum(curve.far, smallest / 2), curve.tar, where="post", color=GENUINE, lw=2)
    diagonal = np.geomspace(smallest / 2, 1, 100)
    axes.plot(diagonal, diagonal, color="#cbd5e1", lw=1, ls="--", label="chance")
    for entry in measured.tar_at_far:
        if entry.tar is not None:
            axes.plot(entry.target, entry.tar, "o", color=INK, ms=5)
            low = entry.tar < 0.15  # no space below the point
            axes.annotate(
                f"{entry.tar:.3f}",
                (entry.target, entry.tar),
                textcoords="offset points",
                xytext=(-4, 7) if low else (6, -13),
                ha="right" if low else "left",
                fontsize=LETTERING,
                color=INK,
            )
    rate_axis(axes)
    axes.set_xlim(max(smallest / 2, 1e-7), 1)
    axes.set_ylim(0, 1.02)
    legend_above(figure)
    return svg(figure)


def score_plot(
    measured: Verification, scores: np.ndarray, same: np.ndarray, distance: str = "cosine"
) -> str:
    """Histograms of genuine and impostor scores, with the threshold of the EER."""
    figure, axes = canvas(f"score ({distance})", "density")
    low, high = float(scores.min()), float(scores.max())
    margin = 0.5 * (low == high)  # so that equal scores still make one bar
    bins = np.linspace(low - margin, high + margin, 80).tolist()
    for chosen, color, label in (
        (~same, IMPOSTOR, f"different people ({measured.impostor:,})"),
        (same, GENUINE, f"same person ({measured.genuine:,})"),
    ):
        axes.hist(scores[chosen], bins=bins, density=True, color=color, alpha=0.55, label=label)
    axes.axvline(measured.eer_threshold, color=INK, lw=1, ls="--")
    axes.set_ylim(top=1.16 * axes.get_ylim()[1])  # space for the label above all bars
    right = measured.eer_threshold > np.mean(axes.get_xlim())
    axes.annotate(
        f"EER {measured.eer:.2%}",
        (measured.eer_threshold, 1),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        xytext=(-5 if right else 5, -2),
        ha="right" if right else "left",
        va="top",
        fontsize=LETTERING,
        color=INK,
    )
    axes.set_yticks([])
    legend_above(figure)
    return svg(figure)


def rocs_plot(curves: dict[str, Roc], impostor: int) -> str:
    """Several ROCs on one logarithmic axis."""
    figure, axes = canvas("false accept rate (FAR)", "true accept rate (TAR)")
    smallest = max(0.5 / impostor, 1e-7)
    for (name, curve), color in zip(curves.items(), (GENUINE, IMPOSTOR, INK), strict=False):
        thin = curve.thinned(POINTS)
        axes.step(np.maximum(thin.far, smallest), thin.tar, where="post", color=color, label=name)
    rate_axis(axes)
    axes.set_xlim(smallest, 1)
    axes.set_ylim(0, 1.02)
    legend_above(figure, columns=1)  # names may be long paths
    return svg(figure)


def det_plot(measured: Verification) -> str:
    """FNMR against FMR on normal deviate scales, where normal distributions give straight lines."""
    from scipy.stats import norm

    figure, axes = canvas("false match rate (FMR)", "false non-match rate (FNMR)")
    fmr, fnmr = det(measured.roc.thinned(POINTS)).deviates()
    shown = np.isfinite(fmr) & np.isfinite(fnmr)
    axes.plot(fmr[shown], fnmr[shown], color=GENUINE, lw=2)
    ticks = [rate for rate in RATES if rate >= 0.5 / measured.impostor]
    ends = norm.ppf([ticks[0] / 2, 0.9])
    axes.plot(ends, ends, color="#cbd5e1", lw=1, ls="--", label="equal errors")
    labels = [f"{100 * rate:g}%" for rate in ticks]
    axes.set_yticks(norm.ppf(ticks), labels)
    if ticks[0] < 1e-4:
        labels[1] = ""  # 0.001% and 0.01% would overlap
    axes.set_xticks(norm.ppf(ticks), labels)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    legend_above(figure)
    return svg(figure)


def cmc_plot(found: Identification) -> str:
    """CMC: the share of mated probes whose mate is among the first k, by rank k."""
    figure, axes = canvas("rank k", "identification rate")
    cmc = found.closed.cmc
    axes.plot(np.arange(1, len(cmc) + 1), cmc, "o-", color=GENUINE, lw=2, ms=4)
    axes.set_ylim(min(0.9, float(cmc[0]) - 0.05), 1.005)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return svg(figure)


def reliability_plot(found: Reliability) -> str:
    """The share of genuine pairs against the predicted probability, in bins."""
    figure, axes = canvas("predicted probability", "share of genuine pairs")
    axes.plot([0, 1], [0, 1], color="#cbd5e1", lw=1, ls="--", label="perfect")
    points = [
        (entry.predicted, entry.observed)
        for entry in found.bins
        if entry.predicted is not None and entry.observed is not None
    ]
    axes.plot(*zip(*points, strict=True), "o-", color=GENUINE, lw=2, ms=5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    legend_above(figure)
    return svg(figure)


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
