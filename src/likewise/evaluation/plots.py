"""The plots of a report, as SVG to be placed in a page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from likewise.evaluation.verification import Verification

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GENUINE", "IMPOSTOR", "roc_plot", "score_plot"]

GENUINE, IMPOSTOR = "#0f766e", "#b45309"
INK = "#334155"


def roc_plot(measured: Verification) -> str:
    """TAR against FAR on a logarithmic axis, with the operating points that were asked for."""
    figure, axes = _canvas("false accept rate (FAR)", "true accept rate (TAR)")
    curve = measured.roc
    smallest = 1 / measured.impostor
    axes.step(np.maximum(curve.far, smallest / 2), curve.tar, where="post", color=GENUINE, lw=2)
    diagonal = np.geomspace(smallest / 2, 1, 100)
    axes.plot(diagonal, diagonal, color="#cbd5e1", lw=1, ls="--", label="chance")
    for entry in measured.tar_at_far:
        if entry.tar is not None:
            axes.plot(entry.target, entry.tar, "o", color=INK, ms=5)
            axes.annotate(
                f"{entry.tar:.3f}",
                (entry.target, entry.tar),
                textcoords="offset points",
                xytext=(6, -12),
                fontsize=8,
                color=INK,
            )
    axes.set_xscale("log")
    axes.set_xlim(max(smallest / 2, 1e-7), 1)
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    return _svg(figure)


def score_plot(measured: Verification, scores: np.ndarray, same: np.ndarray) -> str:
    """How the scores of genuine and impostor pairs are spread, and the threshold of the EER."""
    figure, axes = _canvas("cosine score", "density")
    bins = np.linspace(float(scores.min()), float(scores.max()), 80).tolist()
    for chosen, color, label in (
        (~same, IMPOSTOR, f"different people ({measured.impostor:,})"),
        (same, GENUINE, f"same person ({measured.genuine:,})"),
    ):
        axes.hist(scores[chosen], bins=bins, density=True, color=color, alpha=0.55, label=label)
    axes.axvline(measured.eer_threshold, color=INK, lw=1, ls="--")
    axes.annotate(
        f" EER {measured.eer:.2%}",
        (measured.eer_threshold, axes.get_ylim()[1] * 0.96),
        fontsize=8,
        color=INK,
        va="top",
    )
    axes.set_yticks([])
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return _svg(figure)


def _canvas(x: str, y: str) -> tuple[Figure, mpl.axes.Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK, fontsize=9)
    axes.set_ylabel(y, color=INK, fontsize=9)
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e2e8f0", lw=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    # Text stays text: smaller, selectable, and in the page's own font.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "likewise"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
