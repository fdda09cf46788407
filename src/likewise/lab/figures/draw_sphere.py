"""One loss in space: its points, and their directions on the sphere."""

from __future__ import annotations

from typing import Any

import numpy as np

from likewise.lab.figures.decision import anchors, centres
from likewise.lab.figures.learn import Embedded
from likewise.lab.figures.palette import CLASSES, FAINT, PAPER

__all__ = ["draw_space", "draw_sphere"]

# matplotlib's three-dimensional axes carry few types.
Axes3D = Any


def draw_space(axes: Axes3D, seen: Embedded, *, reach: float | None = None) -> None:
    """The points as they are, with the class weights as rays or the centres as dots."""
    reach = reach or float(np.quantile(np.abs(seen.points).max(axis=1), 0.995))
    _prepare(axes, reach)
    axes.scatter(*seen.points.T, c=_colors(seen), s=6, linewidths=0, alpha=0.75)
    learned, centred = anchors(seen.loss), centres(seen.loss)
    if learned is not None:
        weights = learned[1].double().numpy()
        ends = weights / np.linalg.norm(weights, axis=1, keepdims=True) * reach
        _rays(axes, ends)
    if centred is not None:
        axes.scatter(*centred.numpy().T, c=list(CLASSES), s=40, edgecolors=PAPER, depthshade=False)


def draw_sphere(axes: Axes3D, seen: Embedded) -> None:
    """Directions alone, on the unit sphere."""
    _prepare(axes, 1.0)
    turn, rise = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(0, np.pi, 13))
    axes.plot_wireframe(
        np.cos(turn) * np.sin(rise), np.sin(turn) * np.sin(rise), np.cos(rise),
        color=FAINT, linewidth=0.5,
    )  # fmt: skip
    unit = seen.points / np.linalg.norm(seen.points, axis=1, keepdims=True)
    axes.scatter(*unit.T, c=_colors(seen), s=6, linewidths=0, alpha=0.75)
    learned = anchors(seen.loss)
    if learned is not None:
        weights = learned[1].double().numpy()
        _rays(axes, weights / np.linalg.norm(weights, axis=1, keepdims=True))


def _prepare(axes: Axes3D, reach: float) -> None:
    axes.set_axis_off()
    axes.set_box_aspect((1, 1, 1), zoom=1.45)
    axes.view_init(elev=22, azim=35)
    for limit in (axes.set_xlim, axes.set_ylim, axes.set_zlim):
        limit(-reach, reach)


def _colors(seen: Embedded) -> list[str]:
    return [CLASSES[label] for label in seen.labels]


def _rays(axes: Axes3D, ends: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    each = len(ends) // len(CLASSES)
    for row, end in enumerate(ends):
        axes.plot(*np.stack((np.zeros(3), end)).T, color=CLASSES[row // each], lw=1.1, alpha=0.8)
