"""The figure of one loss: its name, its embeddings of eight people, and the measured separation."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from likewise.evaluation.separation import Separation
from likewise.lab.figures.decision import centres, class_points, classifier
from likewise.lab.figures.draw_plane import draw_circle, draw_plane
from likewise.lab.figures.draw_sphere import draw_space, draw_sphere
from likewise.lab.figures.learn import Snapshot
from likewise.lab.figures.palette import INK, PAPER, QUIET
from likewise.lab.figures.settings import Setting

__all__ = ["NUMBERS_SIZE", "draw_embedding", "numbers_line"]

NUMBERS_SIZE = 9  # points: the line of numbers fits into the width of the figure


def draw_embedding(
    seen: Snapshot, setting: Setting, measured: Separation, *, reach: float | None = None
) -> Figure:
    """Left the embeddings, right their directions, in two or three dimensions.

    Args:
        seen: the points and the loss.
        setting: gives the title and the caption.
        measured: the numbers below the figure.
        reach: half the side of the left plane, to keep it the same in all frames.
    """
    figure = Figure(figsize=(8, 5), facecolor=PAPER)
    figure.text(
        0.03, 0.945, setting.figure.title, fontsize=15, color=INK, weight="bold", va="center"
    )
    figure.text(
        0.97, 0.945, setting.figure.params_text, fontsize=9.5, color=QUIET, ha="right", va="center"
    )
    figure.text(0.03, 0.885, setting.figure.caption, fontsize=10, color=INK, va="center")
    left, right = (0.02, 0.115, 0.46, 0.71), (0.51, 0.115, 0.48, 0.71)
    if seen.points.shape[1] == 2:
        first, second = figure.add_axes(left), figure.add_axes(right)
        draw_plane(first, seen, reach=reach)
        draw_circle(second, seen)
    else:
        first = figure.add_axes(left, projection="3d")
        second = figure.add_axes(right, projection="3d")
        draw_space(first, seen, reach=reach)
        draw_sphere(second, seen)
    figure.text(0.25, 0.085, _legend(seen), fontsize=8, color=QUIET, ha="center", va="center")
    figure.text(
        0.75, 0.085, _circle_legend(seen), fontsize=8, color=QUIET, ha="center", va="center"
    )
    figure.text(0.5, 0.032, numbers_line(measured), fontsize=NUMBERS_SIZE, color=INK, ha="center",
                va="center")  # fmt: skip
    return figure


def numbers_line(measured: Separation) -> str:
    """The measured separation in one line."""
    within, between = math.degrees(measured.within), math.degrees(measured.between)
    return (
        f"mean angle within a class {within:.1f}°, between classes {between:.1f}°  ·  "
        f"{measured.overlap:.0%} have an impostor nearer than their farthest match"
    )


def _legend(seen: Snapshot) -> str:
    parts = ["embeddings z"]
    flat = seen.points.shape[1] == 2
    if classifier(seen.loss) is not None:
        parts += ["class weights (rays)", "decided regions"] if flat else ["class weights (rays)"]
    elif flat:
        parts.append("class means (dots)")
    if centres(seen.loss) is not None:
        parts.append("centres (dots)")
    return " · ".join(parts)


def _circle_legend(seen: Snapshot) -> str:
    flat = seen.points.shape[1] == 2
    parts = ["directions z/‖z‖"]
    if flat and classifier(seen.loss) is not None:
        parts.append("ring: won by the margin")
    learned = class_points(seen.loss)
    if learned is not None and classifier(seen.loss) is None:
        parts.append(f"{learned[0]} (circles)")
    if flat:
        parts.append("outside: density")
    return " · ".join(parts)
