"""Colours and the file format of all figures."""

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
# Any two classes can be neighbors on the circle, so every two colours differ in hue or lightness.
CLASSES = (
    FIRST, SECOND, "#4f46e5", "#db2777", "#65a30d", "#0284c7", "#7c2d12", "#a78bfa",
)  # fmt: skip


def tint(color: str, share: float) -> tuple[float, float, float]:
    """A colour mixed with white: ``share`` of the colour, opaque, so that tints do not add up."""
    red, green, blue = (1 - share * (1 - channel) for channel in to_rgb(color))
    return red, green, blue


def bare(axes: Axes) -> None:
    """Remove the frame and the ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def save_png(
    figure: Figure, path: Path, *, dpi: int, colors: int = 128, rare: bool = False
) -> None:
    """Write a figure as a PNG with a palette: a third of the size, without a visible difference.

    Args:
        figure: the figure.
        path: the file.
        dpi: dots per inch.
        colors: size of the palette, at most 256.
        rare: keep colours that few pixels have; frequent colours get fewer shades.
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
