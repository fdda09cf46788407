"""The figure of a margin: the target logit over the angle, and the boundary of two classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from likewise.lab.figures.boundary import other_curve, own_boundary, target_curve
from likewise.lab.figures.decision import is_logistic
from likewise.lab.figures.palette import FAINT, FIRST, INK, PAPER, QUIET, SECOND, tint
from likewise.lab.figures.settings import DrawnCurve, curves_of, setting_of
from likewise.losses import Boundary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_boundary"]

STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)))


def draw_boundary(name: str) -> Figure:
    """Left the logits with the margin, right the decision boundary in the plane of two angles.

    Args:
        name: of a member of the softmax family.
    """
    settings = setting_of(name).figure
    boundary, curves = settings.boundary, curves_of(name)
    figure = Figure(figsize=(8, 4.1), facecolor=PAPER)
    figure.text(0.03, 0.935, settings.title, fontsize=15, color=INK, weight="bold", va="center")
    figure.text(0.97, 0.935, boundary.rule, fontsize=11, color=INK, ha="right", va="center")
    _draw_logits(figure.add_axes((0.085, 0.145, 0.46, 0.70)), boundary, curves)
    _draw_angles(figure.add_axes((0.65, 0.145, 0.325, 0.70)), boundary, curves)
    return figure


def _draw_logits(axes: Axes, boundary: Boundary, curves: list[DrawnCurve]) -> None:
    angles = np.linspace(0, math.pi, 361)
    _prepare(axes, "angle θ to the class", "logit / scale")
    axes.plot(np.degrees(angles), np.cos(angles), color=QUIET, lw=1.2, ls=(0, (4, 3)))
    for curve, style in zip(curves, STYLES, strict=False):
        values = target_curve(curve.head, angles, norm=curve.norm)
        axes.plot(np.degrees(angles), values, color=FIRST, lw=2.2, ls=style)
    # The other class for a sample half-way to it, where it matters.
    others = other_curve(curves[0].head, angles, own=math.pi / 4, norm=curves[0].norm)
    differs = not np.allclose(others, np.cos(angles), atol=1e-9)
    if differs:
        axes.plot(np.degrees(angles), others, color=SECOND, lw=2.2)
    axes.set_xlim(0, 180)
    axes.set_xticks(range(0, 181, 30), [f"{a}°" for a in range(0, 181, 30)])
    lowest, highest = axes.get_ylim()
    axes.set_ylim(lowest, highest)
    handles = [(FIRST, style, curve.label) for curve, style in zip(curves, STYLES, strict=False)]
    if differs:
        handles.append((SECOND, "-", boundary.others))
    handles.append((QUIET, (0, (4, 3)), "cos θ"))
    for color, style, label in handles:
        axes.plot([], [], color=color, ls=style, lw=2, label=label)
    axes.legend(frameon=False, fontsize=8.5, loc="best", labelcolor=INK, handlelength=2.4)


def _draw_angles(axes: Axes, boundary: Boundary, curves: list[DrawnCurve]) -> None:
    """Class 1 above its boundary, class 2 below the mirrored one; between them is the margin."""
    most = boundary.largest_angle
    angles = np.linspace(0, most, 721)
    degrees = np.degrees(angles)
    _prepare(axes, "θ₁, to class 1", "θ₂, to class 2")
    edge = np.degrees(own_boundary(curves[0].head, angles, norm=curves[0].norm))
    top = math.degrees(most)
    clipped = np.where(np.isnan(edge), top, np.minimum(edge, top))
    axes.fill_between(degrees, clipped, top, color=tint(FIRST, 0.2), lw=0)
    axes.fill_betweenx(degrees, clipped, top, color=tint(SECOND, 0.2), lw=0)
    axes.plot([0, top], [0, top], color=QUIET, lw=1.2, ls=(0, (4, 3)))
    for curve, style in zip(curves, STYLES, strict=False):
        line = np.degrees(own_boundary(curve.head, angles, norm=curve.norm))
        if is_logistic(curve.head):  # the region of class 1 ends at a largest angle
            line = np.where(np.isnan(line), top + 1, line)
        axes.plot(degrees, line, color=FIRST, lw=2, ls=style)
        axes.plot(line, degrees, color=SECOND, lw=2, ls=style)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_aspect("equal")
    ticks = range(0, round(top) + 1, 30 if top < 100 else 60)
    axes.set_xticks(ticks, [f"{a}°" for a in ticks])
    axes.set_yticks(ticks, [f"{a}°" for a in ticks])
    axes.text(top * 0.05, top * 0.93, "class 1", color=FIRST, fontsize=9.5, weight="bold", va="top")
    axes.text(top * 0.95, top * 0.07, "class 2", color=SECOND, fontsize=9.5, weight="bold",
              ha="right")  # fmt: skip


def _prepare(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, color=INK, fontsize=9.5)
    axes.set_ylabel(y, color=INK, fontsize=9.5)
    axes.tick_params(colors=INK, labelsize=8.5)
    axes.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)
    axes.grid(color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
