"""The embeddings during training, as a GIF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure

from likewise.lab.figures.learn import Snapshot
from likewise.storage import new_file

__all__ = ["animate"]

DPI = 80
LINGER = 15  # copies of the last frame


def animate(
    snapshots: Sequence[Snapshot],
    draw: Callable[[Snapshot], Figure],
    path: Path,
) -> None:
    """Draw each snapshot as a frame; the last frame is shown longer.

    Args:
        snapshots: in order.
        draw: draws a snapshot; all figures have one size.
        path: the GIF.
    """
    with new_file(path) as temporary:
        named = temporary.with_suffix(".gif")  # the writer takes the format from the suffix
        try:
            writer = PillowWriter(fps=10)
            writer.setup(draw(snapshots[0]), str(named), DPI)
            for snapshot in snapshots:
                writer.fig = draw(snapshot)
                writer.grab_frame(facecolor="white")
            for _ in range(LINGER):
                writer.grab_frame(facecolor="white")
            writer.finish()
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)
