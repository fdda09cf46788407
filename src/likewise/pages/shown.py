"""What results show of themselves, in text and in a notebook: at most a screen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from likewise.pages.plot import Plot

__all__ = ["Picture", "Shown", "Table", "View", "cell_text"]

ROWS = 10  # of a table; a screen holds two tables and a plot
COLUMNS = 10
CELL = 60  # characters
WIDTH = 100  # characters of a line of text
LINES = 5  # of text above the tables
PICTURE_ROWS = 4


@dataclass(frozen=True)
class Table:
    """A table of a result.

    Args:
        columns: their names; empty names for a table of names and values.
        rows: the values, as many as there are or only the first ones.
        count: how many rows there are in all; those of ``rows`` if None.
        most: how many are shown.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    count: int | None = None
    most: int = ROWS

    @property
    def left_out(self) -> int:
        """How many rows are not shown."""
        return (len(self.rows) if self.count is None else self.count) - len(self.rows[: self.most])

    @property
    def header(self) -> list[str]:
        """The names of the columns that are shown."""
        return [cell_text(name) for name in self.columns[:COLUMNS]]

    @property
    def body(self) -> list[list[str]]:
        """The cells that are shown."""
        return [[cell_text(value) for value in row[:COLUMNS]] for row in self.rows[: self.most]]

    @property
    def note(self) -> str:
        """What is left out; empty if nothing is."""
        parts = []
        if self.left_out:
            parts.append(f"{self.left_out:,} more rows")
        if len(self.columns) > COLUMNS:
            parts.append(f"{len(self.columns) - COLUMNS:,} more columns")
        return f"… and {' and '.join(parts)}; to_pandas() has all" if parts else ""


@dataclass(frozen=True)
class Picture:
    """A photo with its caption.

    Args:
        source: a data URI; empty for a photo that cannot be read.
        lines: the caption, each line cut to the width of the photo.
        first: it is what the others of its row are compared with.
    """

    source: str
    lines: Sequence[str]
    first: bool = False

    def cut(self) -> Picture:
        """The same with a caption of at most 100 characters a line."""
        return Picture(self.source, [_cut(line, WIDTH) for line in self.lines], self.first)


@dataclass(frozen=True)
class View:
    """A result on one screen.

    Args:
        title: what it is, in one line.
        lines: sentences.
        tables: the first one is also in the text.
    """

    title: str
    lines: Sequence[str] = ()
    tables: Sequence[Table] = ()

    @property
    def sentences(self) -> list[str]:
        """The lines that are shown."""
        more = len(self.lines) - LINES
        return [*self.lines[:LINES], *([f"… and {more} more lines"] if more > 0 else [])]

    def text(self) -> str:
        """The lines and the first table as plain text."""
        lines = [" ".join(line.split()) for line in (self.title, *self.sentences)]
        for table in self.tables[:1]:
            lines += _aligned(table)
            lines += [table.note] if table.note else []
        return "\n".join(_cut(line, WIDTH) for line in lines)


class Shown(ABC):
    """A result that shows itself: ``repr``, and HTML where a notebook asks for it.

    Nothing is longer than a screen: what is left out is counted, and ``to_pandas`` has all of it.
    Every text is escaped.
    """

    @abstractmethod
    def _view(self) -> View:
        """The result as text and tables."""

    def _plots(self) -> Sequence[Plot]:
        """The plots beside the tables, two at most."""
        return ()

    def _pictures(self) -> Sequence[Sequence[Picture]]:
        """Rows of photos."""
        return ()

    @abstractmethod
    def to_pandas(self) -> Any:
        """The result as a ``pandas.DataFrame``, complete."""

    def __repr__(self) -> str:
        return self._view().text()

    def _repr_html_(self) -> str:
        from markupsafe import Markup

        from likewise.pages.environment import render

        view, rows = self._view(), self._pictures()
        more = len(rows) - PICTURE_ROWS
        return render(
            "notebook",
            title=_cut(view.title, WIDTH),
            lines=[_cut(line, 3 * WIDTH) for line in view.sentences],
            tables=view.tables[:2],
            plots=[Markup(plot.svg()) for plot in self._plots()[:2]],  # escaped by matplotlib
            pictures=[[photo.cut() for photo in row] for row in rows[:PICTURE_ROWS]],
            more=f"… and {more:,} more rows of photos" if more > 0 else "",
        )


def cell_text(value: object) -> str:
    """A value in a cell of a table, at most 60 characters.

    Example:
        >>> cell_text(0.123456), cell_text(None), cell_text(list(range(128)))
        ('0.1235', '–', '[0, 1, 2, … 128 values]')
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple) and len(value) > 4:
        first = ", ".join(cell_text(some) for some in value[:3])
        return _cut(f"[{first}, … {len(value):,} values]", CELL)
    return _cut(" ".join(str(value)[: 10 * CELL].split()), CELL)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _aligned(table: Table) -> list[str]:
    """The rows of a table with its columns one below the other."""
    named = any(table.header)
    rows = [table.header, *table.body] if named else table.body
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
