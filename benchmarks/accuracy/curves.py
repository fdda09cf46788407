"""Pictures of accuracy against the CPU seconds of a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.accuracy.store import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {
    "likewise": "#0f766e", "plain": "#ea580c", "pml-cosface": "#4f46e5", "pml-triplet": "#a78bfa",
}  # fmt: skip
NAMES = {
    "likewise": "likewise train, nothing set",
    "plain": "plain script",
    "pml-cosface": "pytorch-metric-learning, CosFace",
    "pml-triplet": "pytorch-metric-learning, triplets",
}


def draw_curves(
    runs: Mapping[tuple[str, float], Mapping[str, list[Line]]], folder: Path
) -> list[Path]:
    """One picture a set: AUC against CPU seconds, of each method.

    A line is the course of the longest runs, the mean over seeds, with the range over seeds as a
    band; it ends with the finished model. Points are the finished models of shorter budgets, whose
    learning rate has decayed within theirs.
    """
    drawn = []
    for name in dict.fromkeys(place[0] for place in runs):
        budgets = {budget: found for (other, budget), found in runs.items() if other == name}
        drawn.append(_draw(name, budgets, folder / f"{name}.png"))
    return drawn


def _draw(name: str, budgets: Mapping[float, Mapping[str, list[Line]]], path: Path) -> Path:
    from matplotlib.figure import Figure

    from likewise.lab.figures.palette import FAINT, INK, save_png

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    longest = max(budgets)
    for method, color in COLORS.items():
        if method in budgets[longest]:
            _course(axes, budgets[longest][method], color, NAMES[method])
        for budget, found in budgets.items():
            if method in found and budget < longest:
                seconds, value = _ends(found[method])
                axes.plot(seconds, value, "o", color=color, ms=5, mec="white", zorder=3)
    axes.set_xscale("log")
    first, last = axes.get_xlim()
    ticks = [s for s in (2, 4, 8, 15, 30, 60, 120, 300, 600, 1200) if first <= s <= last]
    axes.set_xticks(ticks, [f"{s:g}" for s in ticks])
    axes.minorticks_off()
    axes.set_xlim(first, last)
    axes.set_xlabel("CPU seconds of the training", color=INK)
    axes.set_ylabel("AUC on other identities", color=INK)
    axes.set_title(name, loc="left", color=INK)
    axes.grid(color=FAINT, lw=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(figure, path, dpi=150)
    return path


def _ends(lines: list[Line]) -> tuple[float, float]:
    seconds = float(np.mean([line.numbers["cpu_seconds"] for line in lines]))
    return seconds, float(np.mean([line.numbers["auc"] for line in lines]))


def _course(axes: Axes, lines: list[Line], color: str, label: str) -> None:
    """The curves of all seeds as one: the mean, and a band from the lowest to the highest."""
    shortest = min(len(line.numbers["curve"]) for line in lines)
    points = np.array([
        [*line.numbers["curve"][:shortest], [line.numbers["cpu_seconds"], line.numbers["auc"]]]
        for line in lines
    ])  # fmt: skip
    seconds, values = points[..., 0].mean(axis=0), points[..., 1]
    axes.plot(seconds, values.mean(axis=0), color=color, lw=2, label=label, zorder=2)
    axes.fill_between(
        seconds, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, lw=0
    )
