"""Colours and type that all pictures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.colors import to_rgb

from likewise.pages.plots import GENUINE, IMPOSTOR, INK

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "CLASSES", "FAINT", "FIRST", "INK", "PAPER", "QUIET", "SECOND", "bare", "save_png", "tint",
]  # fmt: skip

FIRST, SECOND = GENUINE, IMPOSTOR
PAPER, QUIET, FAINT = "#ffffff", "#64748b", "#e2e8f0"
# Neighbours on the circle come in any order, so every two have to differ: in hue or in lightness.
CLASSES = (
    FIRST, SECOND, "#4f46e5", "#db2777", "#65a30d", "#0284c7", "#7c2d12", "#a78bfa",
)  # fmt: skip


def tint(color: str, share: float) -> tuple[float, float, float]:
    """``share`` of a colour on white paper: opaque, so that tints do not add up."""
    red, green, blue = (1 - share * (1 - channel) for channel in to_rgb(color))
    return red, green, blue


def bare(axes: Axes) -> None:
    """Take the frame and the ticks away: a plane, and nothing else."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def save_png(
    figure: Figure, path: Path, *, dpi: int, colors: int = 128, rare: bool = False
) -> None:
    """Write a figure as a PNG of few colours: a third of the size, and nobody sees it.

    Args:
        figure: what to write.
        path: the file.
        dpi: dots an inch.
        colors: how many, at most 256.
        rare: keep the colours that only a few dots have; the common ones get fewer shades.
    """
    import io

    from PIL import Image

    from likewise.storage import new_file

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor=PAPER)
    method = Image.Quantize.MAXCOVERAGE if rare else Image.Quantize.MEDIANCUT
    image = Image.open(buffer).convert("RGB").quantize(colors, method, dither=Image.Dither.NONE)
    with new_file(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)
