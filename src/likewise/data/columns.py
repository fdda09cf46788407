"""Rules for column names: each name once, and no metadata under a reserved name.

A metadata column with a reserved name gets the prefix ``item_`` in manifests, files of embeddings
and search results.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

import pyarrow as pa

from likewise.errors import InputError

__all__ = ["RESERVED", "metadata_names", "refuse_repeated", "rename_reserved_columns"]

log = logging.getLogger(__name__)

# Reserved in a manifest: the place of a photo in its store, and its embedding.
RESERVED = ("place", "vector")


def refuse_repeated(names: Iterable[str], where: str | Path) -> None:
    """Refuse a table in which two columns have the same name.

    Raises:
        InputError: names the column.
    """
    for name, times in Counter(names).items():
        if times > 1:
            raise InputError(
                f"{where}: {times} columns are called {name!r}; rename or remove all but one"
            )


def metadata_names(names: Iterable[str], reserved: Collection[str]) -> dict[str, str]:
    """The name of each metadata column in a table that also has the reserved columns.

    Example:
        >>> metadata_names(["age", "score"], ["id", "score"])
        {'age': 'age', 'score': 'item_score'}
    """
    given = list(names)
    taken = {*reserved, *(name for name in given if name not in reserved)}
    found: dict[str, str] = {}
    for name in given:
        free = name
        while name in reserved and free in taken:
            free = f"item_{free}"
        taken.add(free)
        found[name] = free
    return found


def rename_reserved_columns(
    table: pa.Table, where: str | Path, reserved: Collection[str] = RESERVED
) -> pa.Table:
    """A table with its reserved column names replaced by free ones; logs each change.

    Args:
        table: as it was read.
        where: the file or the argument, for messages.
        reserved: the reserved names.

    Raises:
        InputError: two columns have the same name.
    """
    refuse_repeated(table.column_names, where)
    names = metadata_names(table.column_names, reserved)
    for old, new in names.items():
        if old != new:
            log.warning(
                "%s: the column %r is read as %r, because Likewise reserves the name %r",
                where, old, new, old,
            )  # fmt: skip
    return _without_views(table.rename_columns(list(names.values())), where)


def _without_views(table: pa.Table, where: str | Path) -> pa.Table:
    """Cast text views, which Polars writes, to plain text: Arrow cannot ``take`` rows of views."""
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
