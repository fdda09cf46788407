"""Read Parquet files that contain the photos, as on the Hugging Face hub, in place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import local

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from likewise.data.columns import refuse_repeated
from likewise.data.formats.image_columns import (
    PhotoColumns,
    class_names,
    identity_texts,
    is_plain,
    photo_columns,
    plain_texts,
    with_metadata,
)
from likewise.data.formats.registry import register_format
from likewise.data.formats.unique_names import unique_names
from likewise.data.manifest import Manifest
from likewise.data.paths import is_hidden, path_inside
from likewise.data.store import MAX_PHOTO_BYTES, read_photo_file
from likewise.errors import InputError, first_line

__all__ = ["ParquetStore", "read", "recognises"]

PART_SHIFT = 40
MAX_GROUP = 2**30  # the largest row group decoded for one photo, in bytes
MAX_OPEN = 16  # parts kept open per thread
BATCH = 16  # rows decoded at a time, because hostile files decompress to many bytes
HUGGINGFACE = b"huggingface"


def recognises(path: Path) -> bool:
    """Whether this is a Parquet file, or a folder of them, that contains photos."""
    parts = _parts(path)
    if not parts:
        return False
    try:
        schema = pq.read_schema(parts[0])
    except Exception:  # the reader reports what is wrong
        return path.is_dir()
    try:
        return photo_columns(schema) is not None
    except InputError:
        return True


@register_format(
    "parquet",
    "a .parquet, or a folder of them, that holds the photos",
    recognises=recognises,
    priority=70,
)
def read(path: Path, root: Path | None = None) -> Manifest:
    """Read names and identities; the photos stay in the Parquet files.

    The column ``image`` (or ``img``) holds the bytes, or a struct ``{bytes, path}``; a photo
    without bytes is the file ``path``. ``identity`` (or ``label``) is text or the number of a
    Hugging Face ClassLabel. Names come from ``path`` (of the table or the struct), prefixed with
    the row number if names are not unique. Other columns are metadata.

    Args:
        path: a file, or a folder of parts.
        root: the folder of photos without bytes; by default that of the file.

    Raises:
        InputError: a part cannot be read or has other columns than the first; a row has no
            identity.
    """
    parts = _parts(path)
    files = [_opened(part) for part in parts]
    schema = files[0].schema_arrow
    with _reading(parts[0]):
        refuse_repeated(schema.names, parts[0])
        try:
            columns = photo_columns(schema)
        except InputError as error:
            raise InputError(f"{parts[0]}: {error}") from None
    if columns is None:
        raise InputError(f"{parts[0]}: no column image of bytes")
    classes = class_names((schema.metadata or {}).get(HUGGINGFACE), columns.identity)
    tables = [
        _described(part, file, columns, classes, number)
        for number, (part, file) in enumerate(zip(parts, files, strict=True))
    ]
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException:
        raise InputError(f"{path}: its parts have different columns") from None
    if table.num_rows == 0:
        raise InputError(f"{path}: no photos in it")
    folder = path if path.is_dir() else path.parent
    numbers = pa.array(np.arange(table.num_rows))
    names = unique_names(
        table["path"], lambda: pc.utf8_lpad(numbers.cast(pa.string()), 9, padding="0")
    )
    table = table.set_column(0, "path", names)
    return Manifest(table, path, ParquetStore(parts, columns, root or folder))


class ParquetStore:
    """The photos of a set of Parquet files; ``place`` is ``part << 40 | row``.

    Reading a photo decodes its row group, and each thread caches the last one: sequential access
    decodes each group once, random access once per photo. Likewise writes row groups of 1 MiB.

    Args:
        parts: the files; ``place`` refers to them by index.
        columns: the names of their columns.
        root: the folder of photos without bytes.
    """

    def __init__(self, parts: list[Path], columns: PhotoColumns, root: Path) -> None:
        self.parts = parts
        self.columns = columns
        self.root = root
        self._of_thread = local()

    def read(self, place: int) -> bytes:
        """The photo of a row.

        Raises:
            InputError: there is no such row, its row group is damaged or too large to decode, or
                its path points outside the root.
        """
        part, row = place >> PART_SHIFT, place % (1 << PART_SHIFT)
        if not 0 <= part < len(self.parts):
            raise InputError(f"place {place}: there are only {len(self.parts)} parts")
        path = self.parts[part]
        first, images = self._group(part, row)
        with _reading(path):
            value = images[row - first].as_py()
        if isinstance(value, dict):
            if value["bytes"] is None and value.get("path"):
                return read_photo_file(path_inside(self.root, value["path"]))
            value = value["bytes"]
        if value is None:
            raise InputError(f"{path}: row {row + 1}: no photo")
        if len(value) > MAX_PHOTO_BYTES:
            raise InputError(f"{path}: row {row + 1}: {len(value):,} bytes; too large for a photo")
        return bytes(value)

    def _group(self, part: int, row: int) -> tuple[int, pa.ChunkedArray]:
        """The row group that contains a row: its first row, and its photos."""
        file, starts = self._part(part)
        if row >= starts[-1]:
            raise InputError(f"{self.parts[part]}: has no row {row + 1}")
        group = bisect_right(starts, row) - 1
        kept = self._of_thread
        if getattr(kept, "group", None) != (part, group):
            kept.group, kept.images = None, None  # free it before the next one is decoded
            kept.images = _decoded(self.parts[part], file, group, self.columns.image)
            kept.group = (part, group)
        return starts[group], kept.images

    def _part(self, part: int) -> tuple[pq.ParquetFile, list[int]]:
        """An open part (per thread) and the first row of each of its row groups."""
        if not hasattr(self._of_thread, "open"):
            self._of_thread.open = {}
        parts: dict[int, tuple[pq.ParquetFile, list[int]]] = self._of_thread.open
        if part not in parts:
            if len(parts) >= MAX_OPEN:
                parts.pop(next(iter(parts)))[0].close()
            file = _opened(self.parts[part])
            parts[part] = (file, _starts(file))
        return parts[part]

    def __reduce__(self) -> tuple[type[ParquetStore], tuple[list[Path], PhotoColumns, Path]]:
        return ParquetStore, (self.parts, self.columns, self.root)


def _parts(path: Path) -> list[Path]:
    if path.is_dir():
        visible = [
            entry
            for entry in path.iterdir()
            if not is_hidden(entry.name) and not entry.name.startswith("_")
        ]
        if any(entry.is_dir() for entry in visible):
            return []
        return sorted(entry for entry in visible if entry.suffix == ".parquet")
    return [path] if path.suffix.lower() == ".parquet" else []


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises on a damaged file into an ``InputError`` of one line."""
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError, MemoryError, TypeError) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({first_line(error)})") from None


def _opened(path: Path) -> pq.ParquetFile:
    with _reading(path):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        file.schema_arrow  # noqa: B018  # raises here if it is damaged
        if file.metadata.num_rows > (size := path.stat().st_size):
            raise InputError(f"{path}: claims {file.metadata.num_rows:,} photos in {size:,} bytes")
        return file


def _starts(file: pq.ParquetFile) -> list[int]:
    """The first row of each row group, and the total number of rows."""
    counts = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
    return [0, *np.cumsum(counts, dtype=np.int64).tolist()]


def _decoded(path: Path, file: pq.ParquetFile, group: int, column: str) -> pa.ChunkedArray:
    with _reading(path):
        row_group = file.metadata.row_group(group)
        size = sum(
            row_group.column(c).total_uncompressed_size
            for c in range(row_group.num_columns)
            if row_group.column(c).path_in_schema.split(".")[0] == column
        )
        if size > MAX_GROUP:
            raise InputError(
                f"{path}: a row group of {size / 2**30:.1f} GiB is too large for random access; "
                "rewrite it with row groups of 64 MiB or less"
            )
        pieces, size = [], 0
        for batch in file.iter_batches(
            BATCH, row_groups=[group], columns=[column], use_threads=False
        ):
            batch.validate(full=True)
            size += batch.nbytes
            if size > MAX_GROUP:
                raise InputError(
                    f"{path}: row group {group} exceeds {MAX_GROUP:,} bytes when decoded"
                )
            pieces.append(batch.column(0))
        images = pa.chunked_array(pieces, file.schema_arrow.field(column).type)
        if len(images) != row_group.num_rows:
            raise InputError(
                f"{path}: row group {group} has {len(images)} of {row_group.num_rows} rows"
            )
        return images


def _described(
    path: Path,
    file: pq.ParquetFile,
    columns: PhotoColumns,
    classes: list[str] | None,
    number: int,
) -> pa.Table:
    """The columns of a part except the photos themselves."""
    with _reading(path):
        fields = file.schema_arrow
        wanted = [f.name for f in fields if f.name != columns.image and is_plain(f.type)]
        if columns.names and columns.names not in wanted:
            wanted.append(columns.names)
        if columns.identity not in fields.names:
            raise InputError(f"{path}: no column {columns.identity}, as the first part has")
        if columns.identity not in wanted:
            wanted.append(columns.identity)
        table = file.read(columns=wanted, use_threads=False)
        table.validate(full=True)
        names = pa.chunked_array([pa.nulls(len(table), pa.string())])
        if columns.path:
            names = plain_texts(table[columns.path], path)
        elif columns.nested and columns.image in table.column_names:
            inner = [pc.struct_field(c, "path") for c in table[columns.image].chunks]
            names = pa.chunked_array(inner, pa.string()) if inner else names
        kept = {
            "path": names,
            "identity": identity_texts(table[columns.identity], classes, path, columns.identity),
            "place": pa.array(np.arange(len(table), dtype=np.int64) | number << PART_SHIFT),
        }
        return with_metadata(kept, table, columns)
