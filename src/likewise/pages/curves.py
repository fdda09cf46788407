"""The plots of a verification: ROC, DET and the scores of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from likewise.pages.plot import Plot
from likewise.pages.plots import GENUINE, IMPOSTOR, INK, LETTERING, rate_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GUIDE", "TEXT", "curve_color", "det", "roc", "rocs", "scores"]

Floats = NDArray[np.float64]
GUIDE: dict[str, Any] = {"color": "#cbd5e1", "lw": 1, "ls": "--"}
TEXT: dict[str, Any] = {"textcoords": "offset points", "fontsize": LETTERING, "color": INK}
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
            np.maximum(far, smallest), tar, where="post", color=curve_color(axes), lw=2, label=label
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
                xytext=(-4, 7) if low else (6, -13),
                ha="right" if low else "left",
                **TEXT,
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
        axes.plot(fmr[shown], fnmr[shown], color=curve_color(axes), lw=2, label=label)
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
            xytext=(-5 if right else 5, -2),
            ha="right" if right else "left",
            va="top",
            **TEXT,
        )
        axes.set_yticks([])

    return Plot(f"score ({distance})", "density", draw)


def curve_color(axes: Axes) -> str:
    """The color of the next curve: the first of an evaluation is always the same."""
    count = len([line for line in axes.lines if line.get_linestyle() == "-"])
    return GENUINE if not count else f"C{count - 1}"
