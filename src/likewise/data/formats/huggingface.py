"""Read a Hugging Face dataset saved by ``save_to_disk`` in place, without the package ``datasets``.

It is a folder with ``state.json``, ``dataset_info.json`` and Arrow stream files, or one with
``dataset_dict.json`` and such a folder per split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from likewise.data.columns import refuse_repeated
from likewise.data.containers.arrow_store import (
    ArrowStore,
    PhotoBuffers,
    photo_buffers,
    refuse_compressed,
)
from likewise.data.formats.image_columns import (
    class_names,
    identity_texts,
    is_plain,
    photo_columns,
    plain_texts,
    with_metadata,
)
from likewise.data.formats.registry import register_format
from likewise.data.formats.unique_names import unique_names
from likewise.data.labels import is_text
from likewise.data.manifest import Manifest
from likewise.data.paths import path_inside
from likewise.errors import InputError, first_line
from likewise.storage import read_json

__all__ = ["read", "recognises"]

SPLITS = {
    "train": "train",
    "validation": "val",
    "valid": "val",
    "val": "val",
    "dev": "val",
    "test": "test",
}
END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


def recognises(path: Path) -> bool:
    """Whether this is the folder of a dataset or of a DatasetDict."""
    return (path / "dataset_dict.json").is_file() or (
        (path / "state.json").is_file() and (path / "dataset_info.json").is_file()
    )


@register_format(
    "huggingface", "a Hugging Face dataset saved to disk", recognises=recognises, priority=80
)
def read(path: Path, root: Path | None = None) -> Manifest:
    """Read names and identities; the photos stay in the Arrow files.

    The column ``image`` (or ``img``) holds ``{bytes, path}`` or the bytes; a photo without bytes
    is the file ``path``. ``identity`` (or ``label``) is text or the number of a ClassLabel. The
    splits of a DatasetDict become the column ``split``.

    Args:
        path: the dataset's folder.
        root: the folder of photos without bytes; by default the dataset's folder.

    Raises:
        InputError: a file is missing, damaged or cut short; a path points outside the folder; a
            split is not train, validation or test; or there are no identities.
    """
    files: list[Path] = []
    buffers: list[PhotoBuffers] = []
    tables = [
        table
        for folder, split in _datasets(path)
        for table in _dataset(folder, split, files, buffers)
    ]
    table = _together(path, tables)
    numbers = pa.array(np.arange(table.num_rows))
    names = unique_names(
        table["path"], lambda: pc.utf8_lpad(numbers.cast(pa.string()), 9, padding="0")
    )
    table = table.set_column(0, "path", names)
    return Manifest(table, path, ArrowStore(files, buffers, root or path))


def _datasets(path: Path) -> list[tuple[Path, str | None]]:
    """The folder of each split, and the name of the split in the manifest."""
    listing = path / "dataset_dict.json"
    if not listing.is_file():
        return [(path, None)]
    splits = _entry(listing, "splits")
    if not isinstance(splits, list) or not all(isinstance(name, str) for name in splits):
        raise InputError(f"{listing}: has no list of splits")
    unknown = [name for name in splits if name not in SPLITS]
    if unknown:
        raise InputError(
            f"{listing}: the split {unknown[0]!r} is not train, validation or test; give "
            "the folder of one split instead"
        )
    return [(path_inside(path, name), SPLITS[name]) for name in splits]


def _entry(path: Path, key: str) -> Any:
    try:
        value = read_json(path)
    except (OSError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__})") from None
    return value.get(key) if isinstance(value, dict) else None


def _dataset(
    folder: Path, split: str | None, files: list[Path], buffers: list[PhotoBuffers]
) -> list[pa.Table]:
    """The columns of a dataset; appends its files and its photos' offsets to the two lists."""
    listed = _entry(folder / "state.json", "_data_files")
    info = folder / "dataset_info.json"
    listed = listed if isinstance(listed, list) else []
    names = [entry.get("filename") for entry in listed if isinstance(entry, dict)]
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"{folder / 'state.json'}: names no data files")
    if _entry(folder / "state.json", "_indices_data_files"):
        raise InputError(f"{folder}: it has an indices mapping; save it after flatten_indices()")
    tables = []
    for name in names:
        file = path_inside(folder, str(name))
        try:
            tables.append(_columns(file, len(files), info, buffers))
        except (pa.ArrowException, OSError, ValueError, LookupError, MemoryError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{file}: cannot be read as Arrow ({first_line(error)})") from None
        files.append(file)
    if split is not None:
        tables = [_with_split(table, split) for table in tables]
    return tables


def _columns(file: Path, number: int, info: Path, buffers: list[PhotoBuffers]) -> pa.Table:
    whole = pa.memory_map(str(file)).read_buffer()
    refuse_compressed(file, whole)
    reader = pa.ipc.open_stream(pa.BufferReader(whole))
    schema = reader.schema
    refuse_repeated(schema.names, file)
    try:
        columns = photo_columns(schema)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    if columns is None:
        raise InputError(f"{file}: no column image of bytes; it has: {', '.join(schema.names)}")
    kept: list[pa.Table] = []
    names: list[pa.Array] = []
    for batch in reader:
        batch.validate()  # checks lengths before they are used for slicing
        image = batch.column(columns.image)
        buffers.append(photo_buffers(file, number, image, whole))
        names.append(_names(file, batch, columns.path, image))
        plain = [
            field.name for field in schema if field.name != columns.image and is_plain(field.type)
        ]
        rest = batch.select(plain)
        rest.validate(full=True)
        kept.append(pa.Table.from_batches([rest]))
    if whole[-len(END_OF_STREAM) :].to_pybytes() != END_OF_STREAM:
        raise InputError(f"{file}: cut short: the end-of-stream marker is missing")
    if not kept:
        return pa.table({"path": pa.array([], pa.string()), "identity": pa.array([], pa.string())})
    table = pa.concat_tables(kept)
    classes = class_names((schema.metadata or {}).get(b"huggingface"), columns.identity)
    if classes is None and info.is_file():
        classes = class_names(info.read_bytes(), columns.identity)
    rows = len(table)
    first = sum(b.rows for b in buffers) - rows
    given = {
        "path": pa.chunked_array(names, pa.string()),
        "identity": identity_texts(table[columns.identity], classes, file, columns.identity),
        "place": pa.array(np.arange(first, first + rows, dtype=np.int64)),
    }
    return with_metadata(given, table, columns)


def _names(file: Path, batch: pa.RecordBatch, path: str | None, image: pa.Array) -> pa.Array:
    names = pa.nulls(len(batch), pa.string())
    if path is not None:
        names = batch.column(path)
    elif pa.types.is_struct(image.type):
        place = image.type.get_field_index("path")
        if place >= 0 and is_text(image.type.field(place).type):
            names = image.field(place)
    names.validate(full=True)
    return plain_texts(pa.chunked_array([names]), file).combine_chunks()


def _with_split(table: pa.Table, split: str) -> pa.Table:
    if "split" in table.column_names:
        table = table.drop_columns(["split"])
    return table.append_column("split", pa.repeat(split, len(table)))


def _together(path: Path, tables: list[pa.Table]) -> pa.Table:
    try:
        table = pa.concat_tables(tables, promote_options="permissive") if tables else None
    except pa.ArrowException:
        raise InputError(f"{path}: its files have different columns") from None
    if table is None or table.num_rows == 0:
        raise InputError(f"{path}: no photos in it")
    return table
