"""The plots of other results: CMC, Recall@k, reliability, probabilities, and what a run logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from likewise.pages.curves import GUIDE, TEXT, curve_color
from likewise.pages.plot import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["at_k", "by_step", "cmc", "probabilities", "reliability"]

Floats = NDArray[np.float64]


def cmc(rates: Floats, label: str | None = None) -> Plot:
    """CMC: the share of mated probes whose mate is among the first k, by rank k.

    Args:
        rates: [K], the share at rank 1 … K.
        label: of the curve, in the legend.
    """

    def draw(axes: Axes) -> None:
        low = min(0.9, float(rates[0]) - 0.05, axes.get_ylim()[0] if axes.lines else 1)
        ranks = np.arange(1, len(rates) + 1)
        axes.plot(ranks, rates, "o-", color=curve_color(axes), lw=2, ms=4, label=label)
        axes.set_ylim(low, 1.005)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return Plot("rank k", "identification rate", draw, columns=2 if label else 0)


def at_k(metrics: Mapping[str, Mapping[int, float]]) -> Plot:
    """Metrics of retrieval by the number k of neighbors that they look at.

    Args:
        metrics: the value at each k, by name, such as ``Recall@k``.
    """

    def draw(axes: Axes) -> None:
        for name, values in metrics.items():
            at = sorted(values)
            color = curve_color(axes)
            axes.plot(at, [values[k] for k in at], "o-", color=color, lw=2, ms=4, label=name)
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return Plot("neighbors k", "mean over the queries", draw, columns=3)


def reliability(points: Sequence[tuple[float, float]], label: str | None = None) -> Plot:
    """The share of genuine pairs against the predicted probability, in bins.

    Args:
        points: (predicted, observed) of each bin that holds a pair.
        label: of the curve, in the legend.
    """

    def draw(axes: Axes) -> None:
        first = not axes.lines
        color = curve_color(axes)
        if first:
            axes.plot([0, 1], [0, 1], label="perfect", **GUIDE)
        axes.plot(*zip(*points, strict=True), "o-", color=color, lw=2, ms=5, label=label)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)

    return Plot("predicted probability", "share of genuine pairs", draw)


def probabilities(
    score: Floats, probability: Floats, thresholds: Sequence[tuple[float, float]]
) -> Plot:
    """The probability of one person by score, and the thresholds of some false match rates.

    Args:
        score: [T], rising.
        probability: [T].
        thresholds: (FMR, threshold) of each.
    """

    def draw(axes: Axes) -> None:
        axes.plot(score, probability, color=curve_color(axes), lw=2)
        for rate, threshold in thresholds:
            axes.axvline(threshold, **GUIDE)
            axes.annotate(
                f"FMR {rate:g}",
                (threshold, 0.98),
                xytext=(-3, 0),
                rotation=90,
                ha="right",
                va="top",
                **TEXT,
            )
        axes.set_ylim(-0.02, 1.02)

    return Plot("score (cosine)", "probability of one person", draw, columns=0)


def by_step(logged: Sequence[tuple[int, float]], what: str, label: str | None = None) -> Plot:
    """What a run logged, by step.

    Args:
        logged: (step, value).
        what: the name of the value.
        label: of the curve, in the legend.
    """

    def draw(axes: Axes) -> None:
        axes.plot(
            *zip(*logged, strict=True), "o-", color=curve_color(axes), lw=2, ms=3, label=label
        )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return Plot("step", what, draw, columns=2 if label else 0)
