"""The rule of column names: each once, and metadata never under a name that is our own.

A column of metadata that bears one of our names comes with ``item_`` before it, wherever it would
stand beside ours: in a manifest, in a file of embeddings, in the answers of a search.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

import pyarrow as pa

from likewise.errors import InputError

__all__ = ["OWN", "beside", "refuse_repeated", "with_metadata_apart"]

log = logging.getLogger(__name__)

# Of a manifest: where a stored photo is, and what will be made of it.
OWN = ("place", "vector")


def refuse_repeated(names: Iterable[str], where: str | Path) -> None:
    """Refuse a table in which a column's name stands twice: none of the two could be asked for.

    Raises:
        InputError: names the column.
    """
    for name, times in Counter(names).items():
        if times > 1:
            raise InputError(
                f"{where}: {times} columns are called {name!r}; rename all but one, or leave them "
                "out"
            )


def beside(names: Iterable[str], own: Collection[str]) -> dict[str, str]:
    """What each column of metadata is called where it stands beside columns of our own.

    Example:
        >>> beside(["age", "score"], ["id", "score"])
        {'age': 'age', 'score': 'item_score'}
    """
    given = list(names)
    taken = {*own, *(name for name in given if name not in own)}
    found: dict[str, str] = {}
    for name in given:
        free = name
        while name in own and free in taken:
            free = f"item_{free}"
        taken.add(free)
        found[name] = free
    return found


def with_metadata_apart(table: pa.Table, where: str | Path, own: Collection[str] = OWN) -> pa.Table:
    """A table as it came in, its metadata under names that are free; a change is logged.

    Args:
        table: as it was read.
        where: the file or the argument, for messages.
        own: the names that are kept.

    Raises:
        InputError: a name stands twice.
    """
    refuse_repeated(table.column_names, where)
    names = beside(table.column_names, own)
    for old, new in names.items():
        if old != new:
            log.warning(
                "%s: the column %r is read as %r, for %r is a name of Likewise's own",
                where, old, new, old,
            )  # fmt: skip
    return _without_views(table.rename_columns(list(names.values())), where)


def _without_views(table: pa.Table, where: str | Path) -> pa.Table:
    """Text as Arrow's older type has it: of views, as Polars writes them, no rows can be taken."""
    plain = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    for place, field in enumerate(table.schema):
        if field.type not in plain:
            continue
        try:
            column = table[place].cast(plain[field.type])
        except pa.ArrowNotImplementedError:
            raise InputError(
                f"{where}: column {field.name}: this pyarrow ({pa.__version__}) cannot read text "
                "views; a newer pyarrow can"
            ) from None
        table = table.set_column(place, field.name, column)
    return table
