"""One loss on the plane: embeddings, decision regions, and the gaps that the margin opens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from likewise.lab.figures.decision import (
    UNSURE,
    centres,
    class_points,
    classifier,
    decide,
    decide_with_margin,
)
from likewise.lab.figures.learn import Snapshot
from likewise.lab.figures.palette import CLASSES, FAINT, PAPER, bare, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_circle", "draw_plane", "reach_of"]

Floats = NDArray[np.float64]
RING = 1.16, 1.24  # radii of the ring that shows the margins
REACH = 1.8  # half the side of the figure of the circle
BINS = 180
TALLEST = 0.5  # of the densities on the circle, in radii


def reach_of(points: Floats) -> float:
    """Half the side of a plane that shows all points but the outermost 0.5 %."""
    return float(np.quantile(np.abs(points).max(axis=1), 0.995)) * 1.12


def draw_plane(axes: Axes, seen: Snapshot, *, reach: float | None = None, dot: float = 7) -> None:
    """Draw the embeddings, over the regions in which each class has the largest logit."""
    reach = reach or reach_of(seen.points)
    bare(axes)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    part = classifier(seen.loss)
    if part is not None:
        _regions(axes, part, reach)
    axes.scatter(
        seen.points[:, 0],
        seen.points[:, 1],
        c=[CLASSES[label] for label in seen.labels],
        s=dot,
        linewidths=0,
        alpha=0.8,
    )
    learned, centred = class_points(seen.loss), centres(seen.loss)
    if part is not None and learned is not None:
        _rays(axes, learned[1].double().numpy(), reach)
    marks = centred if centred is not None else None if part is not None else _means(seen)
    if marks is not None:
        for mark, color in zip(marks, CLASSES, strict=True):
            axes.plot(*mark, "o", ms=6.5, mfc=color, mec=PAPER, mew=1.4)


def draw_circle(axes: Axes, seen: Snapshot, *, dot: float = 7) -> None:
    """Draw directions on the circle; around it the regions won by the margin, and the density."""
    bare(axes)
    axes.set_xlim(-REACH, REACH)
    axes.set_ylim(-REACH, REACH)
    axes.set_aspect("equal")
    round_ = np.linspace(0, 2 * math.pi, 721)
    axes.plot(np.cos(round_), np.sin(round_), color=FAINT, lw=1, zorder=0)
    lengths = np.linalg.norm(seen.points, axis=1, keepdims=True)
    unit = seen.points / np.maximum(lengths, 1e-12)
    angles = np.arctan2(unit[:, 1], unit[:, 0])
    part = classifier(seen.loss)
    foot = RING[1] + 0.04 if part is not None else RING[0] - 0.08
    for person, color in enumerate(CLASSES):
        own = seen.labels == person
        axes.scatter(
            unit[own, 0], unit[own, 1], color=color, s=dot, linewidths=0, alpha=0.6, zorder=3
        )
        _density(axes, angles[own], color, foot)
    if part is not None:
        length = float(np.median(lengths))
        _ring(axes, decide_with_margin(part, _on_circle(length)).numpy())
    learned = class_points(seen.loss)
    if learned is not None:
        weights = learned[1].double().numpy()
        each = len(weights) // len(CLASSES)
        for row, weight in enumerate(weights / np.linalg.norm(weights, axis=1, keepdims=True)):
            color = CLASSES[row // each]
            axes.plot([0, weight[0]], [0, weight[1]], color=color, lw=1.3, alpha=0.9, zorder=2)
            axes.plot(*(weight * 0.985), "o", ms=4.5, mfc=PAPER, mec=color, mew=1.5, zorder=4)
    else:
        for mean, color in zip(_means(seen), CLASSES, strict=True):
            end = mean / np.linalg.norm(mean)
            axes.plot([0, end[0]], [0, end[1]], color=color, lw=1.3, alpha=0.5, ls=(0, (2, 2)))


def _regions(axes: Axes, part: torch.nn.Module, reach: float) -> None:
    side = 360
    line = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 * reach - reach
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).reshape(-1, 2)
    decided = decide(part, grid).numpy().reshape(side, side)  # type: ignore[arg-type]  # NumPy's stubs
    colors = np.array([tint(color, 0.13) for color in CLASSES])
    image = colors[decided]
    # The boundary stays white: a thin gap between two tints.
    edge = np.zeros((side, side), bool)
    edge[:, 1:] |= decided[:, 1:] != decided[:, :-1]
    edge[1:] |= decided[1:] != decided[:-1]
    image[edge] = 1.0
    axes.imshow(
        image, extent=(-reach, reach, -reach, reach), origin="lower", interpolation="bilinear"
    )


def _rays(axes: Axes, weights: Floats, reach: float) -> None:
    each = len(weights) // len(CLASSES)
    for row, weight in enumerate(weights):
        end = weight / np.linalg.norm(weight) * reach * 1.5
        axes.plot([0, end[0]], [0, end[1]], color=CLASSES[row // each], lw=1, alpha=0.55)


def _means(seen: Snapshot) -> Floats:
    return np.stack([seen.points[seen.labels == p].mean(axis=0) for p in range(len(CLASSES))])


def _on_circle(length: float) -> torch.Tensor:
    angles = (torch.arange(4 * BINS, dtype=torch.float64) + 0.5) / (4 * BINS) * 2 * math.pi
    return length * torch.stack((angles.cos(), angles.sin()), dim=1)


def _ring(axes: Axes, decided: NDArray[np.int64]) -> None:
    """Draw an arc where a class wins by its margin; elsewhere the ring is open."""
    from matplotlib.patches import Wedge

    step = 360 / len(decided)
    changes = np.flatnonzero(np.diff(decided, prepend=decided[-1]))
    starts = changes if len(changes) else np.array([0])
    for start, end in zip(starts, [*starts[1:], starts[0] + len(decided)], strict=True):
        person = decided[start % len(decided)]
        if person != UNSURE:
            axes.add_patch(
                Wedge((0, 0), RING[1], start * step, end * step, width=RING[1] - RING[0],
                      color=CLASSES[person], lw=0)
            )  # fmt: skip


def _density(axes: Axes, angles: Floats, color: str, foot: float) -> None:
    """Draw how many samples of a class lie in each direction, smoothed over a degree or two."""
    counts, edges = np.histogram(angles, bins=2 * BINS, range=(-math.pi, math.pi))
    kernel = np.exp(-0.5 * (np.arange(-9, 10) / 2.5) ** 2)
    smooth = np.convolve(np.concatenate((counts[-9:], counts, counts[:9])), kernel, "valid")
    share = smooth / (kernel.sum() * max(1, len(angles)))
    height = foot + np.minimum(TALLEST, share * 5.0)
    at = (edges[:-1] + edges[1:]) / 2
    at, height = np.append(at, at[0] + 2 * math.pi), np.append(height, height[0])
    inner = np.stack((foot * np.cos(at), foot * np.sin(at)))
    outer = np.stack((height * np.cos(at), height * np.sin(at)))
    shown = height > foot + 2e-3
    pieces = np.flatnonzero(np.diff(np.concatenate(([False], shown, [False]))))
    for start, end in pieces.reshape(-1, 2):
        x = np.concatenate((outer[0, start:end], inner[0, start:end][::-1]))
        y = np.concatenate((outer[1, start:end], inner[1, start:end][::-1]))
        axes.fill(x, y, color=color, alpha=0.75, lw=0)
