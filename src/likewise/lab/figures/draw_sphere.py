"""One loss in three dimensions: embeddings in space, and their directions on the sphere."""

from __future__ import annotations

from typing import Any

import numpy as np

from likewise.lab.figures.decision import centres, class_points
from likewise.lab.figures.learn import Snapshot
from likewise.lab.figures.palette import CLASSES, FAINT, PAPER

__all__ = ["draw_space", "draw_sphere"]

# matplotlib has few types for three-dimensional axes.
Axes3D = Any


def draw_space(axes: Axes3D, seen: Snapshot, *, reach: float | None = None) -> None:
    """Draw the embeddings, with the class weights as rays and the centres as dots."""
    reach = reach or float(np.quantile(np.abs(seen.points).max(axis=1), 0.995))
    _prepare(axes, reach)
    axes.scatter(*seen.points.T, c=_colors(seen), s=6, linewidths=0, alpha=0.75)
    learned, centred = class_points(seen.loss), centres(seen.loss)
    if learned is not None:
        weights = learned[1].double().numpy()
        ends = weights / np.linalg.norm(weights, axis=1, keepdims=True) * reach
        _rays(axes, ends)
    if centred is not None:
        axes.scatter(*centred.numpy().T, c=list(CLASSES), s=40, edgecolors=PAPER, depthshade=False)


def draw_sphere(axes: Axes3D, seen: Snapshot) -> None:
    """Draw directions on the unit sphere."""
    _prepare(axes, 1.0)
    turn, rise = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(0, np.pi, 13))
    axes.plot_wireframe(
        np.cos(turn) * np.sin(rise), np.sin(turn) * np.sin(rise), np.cos(rise),
        color=FAINT, linewidth=0.5,
    )  # fmt: skip
    unit = seen.points / np.linalg.norm(seen.points, axis=1, keepdims=True)
    axes.scatter(*unit.T, c=_colors(seen), s=6, linewidths=0, alpha=0.75)
    learned = class_points(seen.loss)
    if learned is not None:
        weights = learned[1].double().numpy()
        _rays(axes, weights / np.linalg.norm(weights, axis=1, keepdims=True))


def _prepare(axes: Axes3D, reach: float) -> None:
    axes.set_axis_off()
    axes.set_box_aspect((1, 1, 1), zoom=1.45)
    axes.view_init(elev=22, azim=35)
    for limit in (axes.set_xlim, axes.set_ylim, axes.set_zlim):
        limit(-reach, reach)


def _colors(seen: Snapshot) -> list[str]:
    return [CLASSES[label] for label in seen.labels]


def _rays(axes: Axes3D, ends: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    each = len(ends) // len(CLASSES)
    for row, end in enumerate(ends):
        axes.plot(*np.stack((np.zeros(3), end)).T, color=CLASSES[row // each], lw=1.1, alpha=0.8)
