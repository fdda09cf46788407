"""A plot that is drawn twice: as SVG on a page, and on axes of matplotlib in a notebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from likewise.errors import InputError
from likewise.pages.plots import WIDTH, canvas, legend_above, styled, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Plot"]


@dataclass(frozen=True)
class Plot:
    """A plot with one pair of axes.

    Args:
        x: the name of the x axis.
        y: the name of the y axis.
        draw: draws it on axes; where they hold another plot of its kind already, beside that one.
        height: in inches.
        columns: of the legend; 0 for none.
        heading: of the legend.
    """

    x: str
    y: str
    draw: Callable[[Axes], None]
    height: float = 3.6
    columns: int = 2
    heading: str | None = None

    def figure(self) -> Figure:
        """The plot as a figure of its own, with the legend above the axes."""
        figure, axes = canvas(self.x, self.y, self.height)
        self.draw(axes)
        self._legend(figure)
        return figure

    def svg(self) -> str:
        """The plot as SVG text for a page."""
        return svg(self.figure())

    def on(self, ax: Axes | None = None) -> Axes:
        """Draw the plot on axes, and return them.

        Args:
            ax: axes of matplotlib; if None, those of a new figure of pyplot, which a notebook shows
                below its cell.

        Raises:
            InputError: ``ax`` is something else.
        """
        if ax is None:
            from matplotlib import pyplot

            figure, axes = pyplot.subplots(figsize=(WIDTH, self.height), layout="constrained")
            styled(axes, self.x, self.y)
            self.draw(axes)
            self._legend(figure)
            return axes
        if not hasattr(ax, "transAxes"):
            raise InputError(
                f"ax: {type(ax).__name__}; give axes of matplotlib, such as the second value of "
                "pyplot.subplots()"
            )
        ax.set_xlabel(self.x)
        ax.set_ylabel(self.y)
        self.draw(ax)
        if self.columns and ax.get_legend_handles_labels()[0]:
            _same_size(ax.legend(frameon=False, title=self.heading).legend_handles)
        return ax

    def _legend(self, figure: Figure) -> None:
        if self.columns:
            legend = legend_above(figure, columns=self.columns, title=self.heading)
            _same_size(legend.legend_handles)


def _same_size(handles: Any) -> None:
    """The marks of a scatter in a legend, all of one size."""
    for handle in handles:
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([30])
