"""Random access to photos inside Arrow files by reads at offsets, without a lasting memory map."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa

from likewise.data.containers.open_files import OpenFiles
from likewise.data.labels import is_text
from likewise.data.paths import path_inside
from likewise.data.store import MAX_PHOTO_BYTES, ByteFile, read_photo_file
from likewise.errors import InputError

__all__ = ["ArrowStore", "PhotoBuffers", "photo_buffers", "refuse_compressed"]

# Positions of fields in the flatbuffer tables of Message.fbs, Arrow's format of messages.
MESSAGE_HEADER, DICTIONARY_DATA, BATCH_COMPRESSION = 2, 1, 3


@dataclass(frozen=True, slots=True)
class ValueBuffers:
    """File offsets of the buffers of a binary or text column of a record batch; -1 for none.

    Args:
        valid: the bitmap of rows that have a value.
        offsets: the ends of the values, ``width`` bytes each.
        width: 4 or 8.
        data: the values, concatenated.
        size: the bytes of all values.
    """

    valid: int
    offsets: int
    width: int
    data: int
    size: int


@dataclass(frozen=True, slots=True)
class PhotoBuffers:
    """File offsets of the photos of a record batch.

    Args:
        file: the index of the file.
        rows: the number of rows of the batch.
        valid: the bitmap of rows that have a struct; -1 if all have one.
        bytes: the photos.
        path: the names of photos that are files of their own, or None.
    """

    file: int
    rows: int
    valid: int
    bytes: ValueBuffers
    path: ValueBuffers | None


def photo_buffers(path: Path, file: int, image: pa.Array, whole: pa.Buffer) -> PhotoBuffers:
    """Locate the buffers of an array in the memory map that it was read from.

    Args:
        path: the file, for messages.
        file: the index of the file.
        image: binary, or a struct of ``bytes`` and ``path``.
        whole: the memory map of the whole file.

    Raises:
        InputError: a buffer is compressed, or too small for the rows.
    """

    def offset_of(buffer: pa.Buffer | None, needed: int) -> int:
        if buffer is None:
            return -1
        place = buffer.address - whole.address
        if buffer.size and not 0 <= place <= whole.size - buffer.size:
            raise InputError(f"{path}: its columns are compressed; save it uncompressed")
        if buffer.size < needed:
            raise InputError(f"{path}: a column is shorter than its {len(image)} rows")
        return int(place)

    def values(column: pa.Array) -> ValueBuffers:
        large = pa.types.is_large_binary(column.type) or pa.types.is_large_string(column.type)
        width = 8 if large else 4
        valid, offsets, data = column.buffers()
        if len(column) != len(image):
            raise InputError(f"{path}: a column has {len(column)} rows of {len(image)}")
        return ValueBuffers(
            offset_of(valid, bitmap),
            offset_of(offsets, (len(image) + 1) * width if len(image) else 0),
            width,
            offset_of(data, 0),
            data.size if data is not None else 0,
        )

    bitmap = (len(image) + 7) // 8
    if image.offset:
        raise InputError(f"{path}: a column does not start at its first row")
    if not pa.types.is_struct(image.type):
        return PhotoBuffers(file, len(image), -1, values(image), None)
    place = image.type.get_field_index("path")
    has_path = place >= 0 and is_text(image.type.field(place).type)
    return PhotoBuffers(
        file,
        len(image),
        offset_of(image.buffers()[0], bitmap),
        values(image.field("bytes")),
        values(image.field("path")) if has_path else None,
    )


def refuse_compressed(path: Path, stream: pa.Buffer) -> None:
    """Refuse a stream with compressed batches, which Arrow would decompress to any size.

    Args:
        path: the file, for messages.
        stream: its bytes.

    Raises:
        InputError: a batch is compressed.
    """
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(stream)):
        if message.type not in ("record batch", "dictionary"):
            continue
        metadata = message.metadata.to_pybytes()  # its structure has been verified by Arrow
        batch = _target(metadata, _field(metadata, _target(metadata, 0), MESSAGE_HEADER))
        if message.type == "dictionary":
            batch = _target(metadata, _field(metadata, batch, DICTIONARY_DATA))
        if _field(metadata, batch, BATCH_COMPRESSION):
            raise InputError(f"{path}: its columns are compressed; save it uncompressed")


class ArrowStore:
    """The photos of a set of Arrow files; ``place`` is the row, counted over all files.

    A photo takes a few small reads, whatever the size of its record batch.

    Args:
        paths: the files.
        buffers: the offsets of the photos of each record batch.
        root: the folder of photos without bytes.
    """

    def __init__(self, paths: list[Path], buffers: list[PhotoBuffers], root: Path) -> None:
        self.paths = paths
        self.buffers = buffers
        self.root = root
        self._files = OpenFiles(paths)
        self._starts = [0, *accumulate(batch.rows for batch in buffers)]

    def read(self, place: int) -> bytes:
        """The photo of a row.

        Raises:
            InputError: there is no such row, it holds no photo, the file is damaged, or the
                photo's own file is outside the root.
        """
        if not 0 <= place < self._starts[-1]:
            raise InputError(f"row {place + 1}: there are only {self._starts[-1]} rows")
        number = bisect_right(self._starts, place) - 1
        batch, row = self.buffers[number], place - self._starts[number]
        file = self._files[batch.file]
        where = f"{file.path}: row {place + 1}"
        if _is_set(file, batch.valid, row):
            found = _value(file, batch.bytes, row, where)
            if found is not None:
                return found
            name = _value(file, batch.path, row, where) if batch.path else None
            if name:
                return read_photo_file(path_inside(self.root, name.decode("utf-8", "replace")))
        raise InputError(f"{where}: no photo")

    def __reduce__(self) -> tuple[type[ArrowStore], tuple[list[Path], list[PhotoBuffers], Path]]:
        return ArrowStore, (self.paths, self.buffers, self.root)


def _is_set(file: ByteFile, bitmap: int, row: int) -> bool:
    return bitmap < 0 or bool(file.read(bitmap + row // 8, 1)[0] >> row % 8 & 1)


def _value(file: ByteFile, values: ValueBuffers, row: int, where: str) -> bytes | None:
    if not _is_set(file, values.valid, row):
        return None
    ends = file.read(values.offsets + row * values.width, 2 * values.width)
    start, end = np.frombuffer(ends, f"<i{values.width}").tolist()
    if not 0 <= start <= end <= values.size or end - start > MAX_PHOTO_BYTES:
        raise InputError(f"{where}: damaged: a photo from byte {start} to {end} of {values.size}")
    return file.read(values.data + start, end - start) if end > start else b""


def _target(data: bytes, position: int) -> int:
    """The position that the offset at ``position`` of a flatbuffer refers to."""
    return position + int(struct.unpack_from("<I", data, position)[0])


def _field(data: bytes, table: int, number: int) -> int:
    """The position of a field of a flatbuffer table; 0 if the field is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    entry = 4 + 2 * number
    present = entry < struct.unpack_from("<H", data, vtable)[0]
    offset: int = struct.unpack_from("<H", data, vtable + entry)[0] if present else 0
    return table + offset if offset else 0
