"""Validate and normalise the names of identities, groups and classes.

No name may be missing, and names that look the same become the same: white space and zero-width
characters are stripped from both ends, no-break spaces become plain spaces, and letters are
composed (Unicode NFC). File names are never changed.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from likewise.arrays import as_array
from likewise.errors import InputError

__all__ = [
    "checked_labels",
    "clean_label",
    "identity_column",
    "is_text",
    "label_texts",
    "text_column",
    "with_identities",
]

log = logging.getLogger(__name__)

NO_BREAK = dict.fromkeys(map(ord, "\u00a0\u2007\u202f"), " ")
# Zero-width characters that Unicode does not count as white space: joiners, and the direction
# marks that text copied from Windows' file properties contains.
UNSEEN = "".join(
    map(
        chr,
        [*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF],
    )
)
BLANKS = UNSEEN + "".join(
    map(chr, [*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)])
) + "\u2028\u2029\u202f\u205f\u3000"  # fmt: skip
ROWS = 65_536  # processed at a time


def clean_label(name: str) -> str:
    """The normalised form of a name; empty if the name is blank.

    Example:
        >>> clean_label(" Zoe\\u0308\\u00a0Ek\\n") == "Zo\\u00eb Ek"
        True
    """
    return unicodedata.normalize("NFC", name.translate(NO_BREAK)).strip(BLANKS)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text, dictionary-encoded or not."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def text_column(column: pa.ChunkedArray, where: str | Path, name: str) -> pa.ChunkedArray:
    """A column as text without missing values; integers become text.

    Args:
        column: as it was read.
        where: the file or the argument, for messages.
        name: the name of the column.

    Raises:
        InputError: it holds neither text nor integers, or a value is missing or blank; names the
            first such row, counted from 1.
    """
    if pa.types.is_null(column.type):
        if len(column):
            raise _missing(where, name, 0, len(column))
        return column.cast(pa.string())
    if not is_text(column.type):
        inner = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not pa.types.is_integer(inner):
            raise InputError(
                f"{where}: column {name}: holds {column.type}; must hold text or whole numbers"
            )
        column = column.cast(inner).cast(pa.string())
    if column.null_count == 0 and not any(map(_any_blank, _held(column))):
        return column
    row = 0
    for piece in _pieces(column):
        text = piece.dictionary_decode() if pa.types.is_dictionary(piece.type) else piece
        if _any_blank(text):
            raise _missing(where, name, row + pc.index(_blank(text), True).as_py())
        row += len(piece)
    return column  # only an unused value of the dictionary is blank


def identity_column(column: pa.ChunkedArray, where: str | Path, name: str) -> pa.ChunkedArray:
    """A column of names of identities or groups, each normalised by ``clean_label``.

    If names change, one warning gives their number and an example. A column that needs no change
    is returned as it is, without a copy.

    Raises:
        InputError: see ``text_column``.
    """
    column = text_column(column, where, name)
    changed: dict[str, str] = {}
    for held in _held(column):
        if not _surely_clean(held):
            for text in pc.unique(held).to_pylist():
                if text is not None and (better := clean_label(text)) != text:
                    changed[text] = better
    if not changed:
        return column
    plain = column.cast(pa.string())
    place = pc.index_in(plain, value_set=pa.array(changed, pa.string()))
    # A dictionary may hold values that no row uses.
    used = set(pc.unique(place).to_pylist()) - {None}
    if not used:
        return column
    in_rows = {old: new for n, (old, new) in enumerate(changed.items()) if n in used}
    _log_changes(where, name, in_rows)
    better = pa.chunked_array(
        [pa.array(changed.values(), pa.string()).take(p) for p in place.chunks]
    )
    return pc.coalesce(better, plain)


def with_identities(table: pa.Table, where: str | Path) -> pa.Table:
    """A table with its column ``identity``, if any, checked and normalised by ``identity_column``.

    Raises:
        InputError: see ``text_column``.
    """
    if "identity" not in table.column_names:
        return table
    column = table["identity"]
    checked = identity_column(column, where, "identity")
    if checked is column:
        return table
    return table.set_column(table.column_names.index("identity"), "identity", checked)


def checked_labels(labels: ArrayLike, what: str) -> NDArray[Any]:
    """Labels as an array of their shape: numbers as they are, or names normalised.

    Raises:
        InputError: a label is missing (None, NaN or blank), is neither a number nor a name, or
            names and numbers are mixed; names the first such row, counted from 0.
    """
    array = as_array(labels, what)
    kind = array.dtype.kind
    if kind == "O":
        array = _of_objects(array, what)
        kind = array.dtype.kind
    if kind == "f":
        _refuse_at(~np.isfinite(array), what)
    elif kind in "mM":
        _refuse_at(np.isnat(array), what)
    elif kind == "U" and array.size:
        distinct, codes = np.unique(array, return_inverse=True)
        before = distinct.tolist()
        after = [clean_label(name) for name in before]
        if "" in after:
            _refuse_at((np.array(after) == "")[codes].reshape(array.shape), what)
        changed = {old: new for old, new in zip(before, after, strict=True) if old != new}
        if changed:
            _log_changes(what, "", changed)
            array = np.array(after)[codes].reshape(array.shape)
    elif kind not in "biuSU":
        raise InputError(f"{what}: {array.dtype}; labels must be numbers or names")
    return array


def _of_objects(array: NDArray[Any], what: str) -> NDArray[Any]:
    """Convert an array of Python objects to one type."""
    values = array.reshape(-1).tolist()
    for row, value in enumerate(values):
        missing = value is None or type(value).__name__ in ("NAType", "NaTType")  # from pandas
        if not missing and not isinstance(value, (str, int, float, np.generic)):
            raise InputError(
                f"{what}: row {row}: {type(value).__name__}; labels must be numbers or names"
            )
        if missing or value != value:  # only NaN differs from itself
            raise _no_value(what, row)
    texts = sum(isinstance(value, str) for value in values)
    if 0 < texts < len(values):
        raise InputError(f"{what}: names and numbers are mixed; use one kind")
    return np.array(values, np.str_ if texts else None).reshape(array.shape)


def _refuse_at(missing: NDArray[np.bool_], what: str) -> None:
    if missing.any():
        raise _no_value(what, int(np.argmax(missing.reshape(-1))))


def _no_value(what: str, row: int) -> InputError:
    return InputError(f"{what}: row {row} has no value; fill it in, or remove the row")


def _missing(where: str | Path, name: str, row: int, rows: int = 1) -> InputError:
    more = f" (as in all {rows:,} rows)" if rows > 1 else ""
    return InputError(f"{where}: row {row + 1}: {name} is empty{more}")


def _log_changes(where: str | Path, name: str, changed: Mapping[str, str]) -> None:
    before, after = next(iter(changed.items()))
    log.warning(
        "%s: %s%s normalized (white space at the ends stripped, no-break spaces replaced, Unicode "
        "NFC); for example %r, was %r",
        where,
        f"{name}: " if name else "",
        f"{len(changed):,} names are" if len(changed) > 1 else "1 name is",
        after,
        before,
    )


def _pieces(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    """The column in short pieces, which bounds the memory for temporaries."""
    for chunk in column.chunks:
        for start in range(0, len(chunk), ROWS):
            yield chunk.slice(start, ROWS)


def _held(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    """The distinct stored texts of a column in pieces: of a dictionary, its values."""
    if not pa.types.is_dictionary(column.type):
        yield from _pieces(column)
        return
    seen: set[tuple[int, int]] = set()
    for chunk in column.chunks:
        texts = chunk.dictionary
        data = texts.buffers()[-1]
        which = (data.address if data is not None else 0, len(texts))
        if which not in seen:
            seen.add(which)
            yield texts


def _blank(texts: pa.Array) -> pa.Array:
    return pc.fill_null(pc.equal(pc.utf8_trim(texts, BLANKS), ""), True)


def _any_blank(texts: pa.Array) -> bool:
    return bool(pc.any(_blank(texts)).as_py())


def _surely_clean(texts: pa.Array) -> bool:
    """Whether all are ASCII without white space at the ends; no Python object is made per text."""
    plain = pc.and_(pc.string_is_ascii(texts), pc.equal(pc.utf8_trim(texts, BLANKS), texts))
    return pc.all(plain).as_py() is not False


def label_texts(values: Any, what: str) -> list[str]:
    """Labels or names as text; whole numbers become their digits."""
    array = checked_labels(values, what)
    if not array.size:
        return []
    if array.dtype.kind == "f" and (array == np.trunc(array)).all():
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "biuU":
        raise InputError(
            f"{what}: {array.dtype} of shape {list(array.shape)}; must be names or whole numbers, "
            "one for each row"
        )
    return [str(value) for value in array.tolist()]
