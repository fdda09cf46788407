"""Rows of the lists that come with published sets: columns between white space, checked by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from likewise.data.paths import first_outside
from likewise.data.text_file import read_lines, small_number
from likewise.errors import InputError

__all__ = ["Row", "number_in", "numbered", "read_rows", "refuse_outside", "same_numbers"]

Row = tuple[int, list[str]]
"""The number of a line in its file, counted from 1, and its columns."""


def read_rows(
    path: Path, columns: Sequence[str], *, header: bool = False, skip: int = 0
) -> list[Row]:
    """The rows of a list; the last column may contain spaces.

    Args:
        path: the list.
        columns: their names, for messages and for the header.
        header: whether a line with the names of the columns comes first.
        skip: lines before the header, such as the number of rows.

    Raises:
        InputError: the file cannot be read, has another header or no row, or a row has too few
            columns; names the row.
    """
    lines = read_lines(path)
    first = skip + header
    if header:
        found = lines[skip].split() if len(lines) > skip else []
        if found != list(columns):
            raise InputError(
                f"{path}: row {first}: the header is {' '.join(found)[:80]!r}; expected "
                f"{' '.join(columns)!r}"
            )
    rows: list[Row] = []
    for number, line in enumerate(lines[first:], first + 1):
        fields = line.strip().split(None, len(columns) - 1)
        if not fields:
            continue
        if len(fields) < len(columns):
            raise InputError(
                f"{path}: row {number}: {len(fields)} of {len(columns)} columns "
                f"({' '.join(columns)}): {line.strip()[:80]!r}"
            )
        rows.append((number, fields))
    if not rows:
        raise InputError(f"{path}: holds no rows")
    return rows


def number_in(path: Path, row: Row, column: int, what: str) -> int:
    """The whole number in a column of a row.

    Raises:
        InputError: it is none; names the row.
    """
    line, fields = row
    found = small_number(fields[column])
    if found is None:
        raise InputError(
            f"{path}: row {line}: {what} is {fields[column][:40]!r}; must be a whole number"
        )
    return found


def numbered(path: Path, columns: Sequence[str]) -> dict[int, Row]:
    """The rows of a list whose first column is a number of their own, by this number.

    Raises:
        InputError: see ``read_rows``; or a number occurs twice.
    """
    found: dict[int, Row] = {}
    for row in read_rows(path, columns):
        number = number_in(path, row, 0, columns[0])
        if number in found:
            raise InputError(
                f"{path}: rows {found[number][0]} and {row[0]}: both have the {columns[0]} {number}"
            )
        found[number] = row
    return found


def same_numbers(
    path: Path, found: Mapping[int, Row], other: Path, wanted: Mapping[int, Row], what: str
) -> None:
    """Refuse two lists of which one names a photo that the other does not.

    Args:
        path: of the list that describes the photos.
        found: its rows by the number of the photo.
        other: of the list of photos.
        wanted: its rows likewise.
        what: the name of the number, for messages.

    Raises:
        InputError: names the first such row.
    """
    for number, (row, _) in wanted.items():
        if number not in found:
            raise InputError(f"{other}: row {row}: the {what} {number} is not in {path.name}")
    for number, (row, _) in found.items():
        if number not in wanted:
            raise InputError(f"{path}: row {row}: the {what} {number} is not in {other.name}")


def refuse_outside(path: Path, names: pa.Table, rows: Sequence[int], root: Path) -> None:
    """Refuse a list with a path that leaves the folder of the photos.

    Args:
        path: of the list.
        names: a table with the column ``path``.
        rows: the line of each in the list.
        root: the folder of the photos.

    Raises:
        InputError: names the first such row.
    """
    outside = first_outside(names["path"], root)
    if outside is not None:
        raise InputError(f"{path}: row {rows[outside]}: the path points outside {root}")
