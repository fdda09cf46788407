"""The columns of tables that contain photos: Parquet files and Hugging Face datasets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from likewise.data.columns import RESERVED, metadata_names
from likewise.data.labels import is_text, text_column
from likewise.errors import InputError

__all__ = [
    "PhotoColumns",
    "class_names",
    "identity_texts",
    "is_plain",
    "photo_columns",
    "plain_texts",
    "with_metadata",
]

IMAGES = ("image", "img")
IDENTITIES = ("identity", "label")
MAX_TEXT = 4096


@dataclass(frozen=True)
class PhotoColumns:
    """The names of the columns of a table with photos.

    Args:
        image: the photos: binary, or a struct of ``bytes`` and ``path``.
        nested: whether ``image`` is a struct.
        identity: the identities: text, or class numbers.
        path: the names of the photos, or None.
    """

    image: str
    nested: bool
    identity: str
    path: str | None

    @property
    def names(self) -> str | None:
        """The column of names in Parquet's notation; None if there is none."""
        return self.path or (f"{self.image}.path" if self.nested else None)


def photo_columns(schema: pa.Schema) -> PhotoColumns | None:
    """The columns of a table with photos; None if it has no photos.

    Raises:
        InputError: it has photos but no identities.
    """
    found = [name for name in IMAGES if schema.get_field_index(name) >= 0]
    found = [name for name in found if _is_image(schema.field(name).type)]
    if not found or "vector" in schema.names:
        return None
    identity = [name for name in IDENTITIES if schema.get_field_index(name) >= 0]
    if not identity:
        raise InputError(
            f"has photos in the column {found[0]}, but no column identity or label; it has: "
            f"{', '.join(schema.names)}"
        )
    path = "path" if "path" in schema.names and is_text(schema.field("path").type) else None
    nested = pa.types.is_struct(schema.field(found[0]).type)
    return PhotoColumns(found[0], nested, identity[0], path)


def class_names(metadata: bytes | str | None, column: str) -> list[str] | None:
    """The class names of a Hugging Face ClassLabel column; None if there are none.

    Args:
        metadata: the schema's ``huggingface`` entry, or the text of a ``dataset_info.json``.
        column: the column of class numbers.
    """
    try:
        value: Any = json.loads(metadata or "{}")
        value = value.get("info", value)
        names = value["features"][column]["names"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else None


def identity_texts(
    column: pa.ChunkedArray, classes: Sequence[str] | None, where: Path, name: str
) -> pa.ChunkedArray:
    """Identities as text: class numbers become class names if there are any.

    Raises:
        InputError: one is missing, empty, or not a valid class number.
    """
    if classes is not None and pa.types.is_integer(column.type):
        outside = pc.or_(pc.less(column, 0), pc.greater_equal(column, len(classes)))
        row = pc.index(outside, True).as_py()
        if row >= 0:
            raise InputError(
                f"{where}: row {row + 1}: label {column[row].as_py()} of {len(classes)} classes"
            )
        names = pa.array(classes, pa.string())
        column = pa.chunked_array([names.take(chunk) for chunk in column.chunks], pa.string())
    if is_text(column.type):
        column = plain_texts(column, where)
    return text_column(column, where, name)


def plain_texts(column: pa.ChunkedArray, where: Path) -> pa.ChunkedArray:
    """A column as plain text, not dictionary-encoded.

    Raises:
        InputError: a dictionary value is so long that decoding could exhaust memory.
    """
    for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
        longest = pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
        if longest > MAX_TEXT:
            raise InputError(f"{where}: a text of {longest:,} bytes is too long for a name")
    return column.cast(pa.string())


def with_metadata(
    own: Mapping[str, pa.ChunkedArray | pa.Array], table: pa.Table, columns: PhotoColumns
) -> pa.Table:
    """The columns of a manifest, followed by the other columns of a table as metadata.

    Args:
        own: the columns of the manifest.
        table: all columns that were read.
        columns: the columns that ``own`` was made from.
    """
    used = {columns.image, columns.identity, columns.path, *own} - set(RESERVED)
    rest = [name for name in table.column_names if name not in used]
    names = metadata_names(rest, RESERVED)
    return pa.table({**own, **{names[name]: table[name] for name in rest}})


def is_plain(kind: pa.DataType) -> bool:
    """Whether a column of this type is kept as metadata: numbers or text."""
    return bool(pa.types.is_primitive(kind) or is_text(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _is_bytes(kind.field(place).type)
    return _is_bytes(kind)
