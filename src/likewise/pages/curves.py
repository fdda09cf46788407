"""The plots of an evaluation, from plain numbers: ROC, DET, scores, CMC, Recall@k, reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from likewise.pages.plot import Plot
from likewise.pages.plots import GENUINE, IMPOSTOR, INK, LETTERING, rate_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["at_k", "cmc", "det", "probabilities", "reliability", "roc", "rocs", "scores"]

Floats = NDArray[np.float64]
GUIDE: dict[str, Any] = {"color": "#cbd5e1", "lw": 1, "ls": "--"}
RATES = (1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5, 0.8)  # ticks on the axes of a DET


class Curve(Protocol):
    """A curve of accept rates; see ``likewise.evaluation.verification.roc.Roc``."""

    @property
    def far(self) -> Floats:
        """Share of impostor pairs accepted, rising."""

    @property
    def tar(self) -> Floats:
        """Share of genuine pairs accepted, rising."""

    def thinned(self) -> Curve:
        """As many of its points as a plot can show."""


class Point(Protocol):
    """An operating point of a curve."""

    @property
    def target(self) -> float:
        """The FAR requested."""

    @property
    def tar(self) -> float | None:
        """The TAR; None if it cannot be measured."""


class Measured(Protocol):
    """What a plot needs of ``likewise.Verification``."""

    @property
    def roc(self) -> Curve:
        """The whole curve."""

    @property
    def impostor(self) -> int:
        """The number of impostor pairs, which bounds the FAR that can be measured."""

    @property
    def tar_at_far(self) -> Sequence[Point]:
        """The operating points."""

    @property
    def eer(self) -> float:
        """The equal error rate."""

    @property
    def eer_threshold(self) -> float:
        """Its threshold."""


def roc(measured: Measured, label: str | None = None) -> Plot:
    """TAR against FAR on a logarithmic axis, with the requested operating points.

    Args:
        measured: what to draw.
        label: of the curve, in the legend.
    """
    curve = measured.roc.thinned()
    far, tar = curve.far, curve.tar
    points = [(entry.target, entry.tar) for entry in measured.tar_at_far if entry.tar is not None]
    smallest = 0.5 / measured.impostor

    def draw(axes: Axes) -> None:
        first = not axes.lines
        axes.step(
            np.maximum(far, smallest), tar, where="post", color=_color(axes), lw=2, label=label
        )
        if not first:  # beside another curve the numbers would overlap
            axes.set_xlim(left=min(axes.get_xlim()[0], max(smallest, 1e-7)))
            return
        diagonal = np.geomspace(smallest, 1, 100)
        axes.plot(diagonal, diagonal, label="chance", **GUIDE)
        for x, y in points:
            axes.plot(x, y, "o", color=INK, ms=5)
            low = y < 0.15  # no space below the point
            axes.annotate(
                f"{y:.3f}",
                (x, y),
                textcoords="offset points",
                xytext=(-4, 7) if low else (6, -13),
                ha="right" if low else "left",
                fontsize=LETTERING,
                color=INK,
            )
        rate_axis(axes)
        axes.set_xlim(max(smallest, 1e-7), 1)
        axes.set_ylim(0, 1.02)

    return Plot("false accept rate (FAR)", "true accept rate (TAR)", draw)


def rocs(found: Mapping[str, Curve], impostor: int) -> Plot:
    """Several ROCs on one logarithmic axis.

    Args:
        found: the curves by name.
        impostor: the number of impostor pairs.
    """
    smallest = max(0.5 / impostor, 1e-7)
    thin = {name: curve.thinned() for name, curve in found.items()}

    def draw(axes: Axes) -> None:
        colors = (GENUINE, IMPOSTOR, INK)
        for (name, curve), color in zip(thin.items(), colors, strict=False):
            far = np.maximum(curve.far, smallest)
            axes.step(far, curve.tar, where="post", color=color, label=name)
        rate_axis(axes)
        axes.set_xlim(smallest, 1)
        axes.set_ylim(0, 1.02)

    # One column, because names may be long paths.
    return Plot("false accept rate (FAR)", "true accept rate (TAR)", draw, columns=1)


def det(measured: Measured, label: str | None = None) -> Plot:
    """FNMR against FMR on normal deviate scales, where normal distributions give straight lines.

    Args:
        measured: what to draw.
        label: of the curve, in the legend.
    """
    from scipy.special import ndtri

    curve, impostor = measured.roc.thinned(), measured.impostor
    fmr, fnmr = ndtri(curve.far), ndtri(1 - curve.tar)
    shown = np.isfinite(fmr) & np.isfinite(fnmr)

    def draw(axes: Axes) -> None:
        first = not axes.lines
        axes.plot(fmr[shown], fnmr[shown], color=_color(axes), lw=2, label=label)
        if not first:
            return
        ticks = [rate for rate in RATES if rate >= 0.5 / impostor]
        ends = ndtri([ticks[0] / 2, 0.9])
        axes.plot(ends, ends, label="equal errors", **GUIDE)
        labels = [f"{100 * rate:g}%" for rate in ticks]
        axes.set_yticks(ndtri(ticks), labels)
        if ticks[0] < 1e-4:
            labels[1] = ""  # 0.001% and 0.01% would overlap
        axes.set_xticks(ndtri(ticks), labels)
        axes.set_xlim(*ends)
        axes.set_ylim(*ends)

    return Plot("false match rate (FMR)", "false non-match rate (FNMR)", draw)


def scores(measured: Measured, genuine: Floats, impostor: Floats, distance: str = "cosine") -> Plot:
    """Histograms of genuine and impostor scores, with the threshold of the EER.

    Args:
        measured: the metrics of the same pairs.
        genuine: the scores of the pairs of one person.
        impostor: those of different people.
        distance: what the scores are of.
    """
    eer, threshold = measured.eer, measured.eer_threshold

    def draw(axes: Axes) -> None:
        ends = [float(end) for some in (genuine, impostor) for end in (some.min(), some.max())]
        low, high = min(ends), max(ends)
        margin = 0.5 * (low == high)  # so that equal scores still make one bar
        bins = np.linspace(low - margin, high + margin, 80).tolist()
        for chosen, color, label in (
            (impostor, IMPOSTOR, f"different people ({len(impostor):,})"),
            (genuine, GENUINE, f"same person ({len(genuine):,})"),
        ):
            axes.hist(chosen, bins=bins, density=True, color=color, alpha=0.55, label=label)
        axes.axvline(threshold, color=INK, lw=1, ls="--")
        axes.set_ylim(top=1.16 * axes.get_ylim()[1])  # space for the label above all bars
        right = threshold > np.mean(axes.get_xlim())
        axes.annotate(
            f"EER {eer:.2%}",
            (threshold, 1),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            xytext=(-5 if right else 5, -2),
            ha="right" if right else "left",
            va="top",
            fontsize=LETTERING,
            color=INK,
        )
        axes.set_yticks([])

    return Plot(f"score ({distance})", "density", draw)


def cmc(rates: Floats, label: str | None = None) -> Plot:
    """CMC: the share of mated probes whose mate is among the first k, by rank k.

    Args:
        rates: [K], the share at rank 1 … K.
        label: of the curve, in the legend.
    """

    def draw(axes: Axes) -> None:
        low = min(0.9, float(rates[0]) - 0.05, axes.get_ylim()[0] if axes.lines else 1)
        ranks = np.arange(1, len(rates) + 1)
        axes.plot(ranks, rates, "o-", color=_color(axes), lw=2, ms=4, label=label)
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
            color = _color(axes)
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
        color = _color(axes)
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
        axes.plot(score, probability, color=_color(axes), lw=2)
        for rate, threshold in thresholds:
            axes.axvline(threshold, **GUIDE)
            axes.annotate(
                f"FMR {rate:g}",
                (threshold, 0.98),
                textcoords="offset points",
                xytext=(-3, 0),
                rotation=90,
                ha="right",
                va="top",
                fontsize=LETTERING,
                color=INK,
            )
        axes.set_ylim(-0.02, 1.02)

    return Plot("score (cosine)", "probability of one person", draw, columns=0)


def _color(axes: Axes) -> str:
    """The color of the next curve: the first of an evaluation is always the same."""
    count = len([line for line in axes.lines if line.get_linestyle() == "-"])
    return GENUINE if not count else f"C{count - 1}"
