"""The embeddings over training, as a GIF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure

from likewise.lab.figures.learn import Embedded
from likewise.storage import new_file

__all__ = ["animate"]

LINGER = 15  # frames that the end stays


def animate(
    moments: Sequence[Embedded],
    draw: Callable[[Embedded], Figure],
    path: Path,
    *,
    dpi: int = 80,
    fps: int = 10,
) -> None:
    """Draw each moment, and write them in turn; the last one stays for a while.

    Args:
        moments: in their order.
        draw: from a moment to its picture; all of one size.
        path: the GIF.
        dpi: dots an inch.
        fps: frames a second.
    """
    with new_file(path) as temporary:
        named = temporary.with_suffix(".gif")  # the writer asks the name for the format
        try:
            writer = PillowWriter(fps=fps)
            writer.setup(draw(moments[0]), str(named), dpi)
            for moment in moments:
                writer.fig = draw(moment)
                writer.grab_frame(facecolor="white")
            for _ in range(LINGER):
                writer.grab_frame(facecolor="white")
            writer.finish()
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)
