"""RecordIO, the container of MXNet's ``.rec`` files: read at an offset, scanned, and written.

A file is a sequence of parts, each aligned to 4 bytes, all numbers little-endian::

    uint32 magic = 0xced7230a | uint32 (cflag << 29 | length) | length bytes | zeros to 4

``cflag`` 0 is a whole record; 1, 2 and 3 are its first, a middle and its last part. The writer
splits a payload wherever it contains the magic at a multiple of 4, and omits the magic; the reader
inserts it between the parts. So a magic at a multiple of 4 always begins a part, and a file can be
scanned for records by one vectorised comparison.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from likewise.data.store import MAX_PHOTO_BYTES, ByteFile
from likewise.errors import InputError

__all__ = ["MAGIC", "encode_record", "read_record", "record_beginnings", "record_offsets"]

MAGIC = 0xCED7230A
BLOCK = 8 * 2**20  # bytes read at a time; a multiple of 4
GAP = 128 * 2**10  # records further apart than this are read separately
_MARK = MAGIC.to_bytes(4, "little")
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


def encode_record(payload: bytes) -> bytes:
    """Encode a payload as MXNet does: one part, or several if it contains the magic.

    Raises:
        InputError: it is larger than any photo.
    """
    if len(payload) > MAX_PHOTO_BYTES:
        raise InputError(f"a record of {len(payload):,} bytes; at most {MAX_PHOTO_BYTES:,} fit")
    pieces: list[bytes] = []
    begin = 0
    found = payload.find(_MARK)
    while found >= 0:
        if found % 4:
            found = payload.find(_MARK, found + 1)
            continue
        pieces += _head(_MIDDLE if pieces else _FIRST, found - begin), payload[begin:found]
        begin = found + 4
        found = payload.find(_MARK, begin)
    rest = len(payload) - begin
    pieces += _head(_LAST if pieces else _WHOLE, rest), payload[begin:], bytes(-rest % 4)
    return b"".join(pieces)


def _head(cflag: int, length: int) -> bytes:
    return _MARK + (cflag << 29 | length).to_bytes(4, "little")


def read_record(file: ByteFile, offset: int) -> bytes:
    """The payload of the record that begins at ``offset``.

    Raises:
        InputError: no record begins there, its parts are inconsistent, or it extends past the end
            of the file; names the file and the byte.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        head = file.read(offset, 8)
        if head[:4] != _MARK:
            what = "the next part of a record" if parts else "a record"
            raise InputError(
                f"{file.path}: byte {offset} does not begin {what}: the file is damaged, or its "
                "index belongs to another file"
            )
        packed = int.from_bytes(head[4:], "little")
        cflag, length = packed >> 29, packed & (1 << 29) - 1
        if cflag not in ((_MIDDLE, _LAST) if parts else (_WHOLE, _FIRST)):
            raise InputError(
                f"{file.path}: byte {offset}: a part of kind {cflag}, where "
                f"{'one of kind 2 or 3' if parts else 'a record'} must begin"
            )
        size += length + 4 * bool(parts)
        if size > MAX_PHOTO_BYTES:
            raise InputError(
                f"{file.path}: byte {offset}: a record of {size:,} bytes or more; at most "
                f"{MAX_PHOTO_BYTES:,} are read"
            )
        parts.append(file.read(offset + 8, length))
        if cflag in (_WHOLE, _LAST):
            return _MARK.join(parts)
        offset += 8 + length + -length % 4


def record_offsets(file: ByteFile) -> NDArray[np.int64]:
    """The offset of each record of a file, int64 [N], from a scan of the whole file.

    Raises:
        InputError: the records do not fill the file without gaps; names the file and the byte.
    """
    kept: list[NDArray[np.int64]] = []
    end, cflag = 0, _WHOLE  # the end and the kind of the previous part
    for place in range(0, file.size, BLOCK):
        heads, packed = _heads_in(file, place)
        if not len(heads):
            continue
        flags, lengths = (packed >> 29), (packed & (1 << 29) - 1).astype(np.int64)
        ends = heads + 8 + lengths + -lengths % 4
        before = np.concatenate(([end], ends[:-1]))
        _refuse(file, before, heads != before, "no record begins where the previous one ends")
        inside = np.isin(np.concatenate(([cflag], flags[:-1])), (_FIRST, _MIDDLE))
        fits = np.where(inside, (flags == _MIDDLE) | (flags == _LAST), flags <= _FIRST)
        _refuse(file, heads, ~fits, "the parts of a record do not follow each other")
        _refuse(file, heads, lengths > MAX_PHOTO_BYTES, f"{MAX_PHOTO_BYTES:,} bytes exceeded")
        kept.append(heads[flags <= _FIRST])
        end, cflag = int(ends[-1]), int(flags[-1])
    if end < file.size:
        raise InputError(f"{file.path}: byte {end}: no record begins there; it is damaged")
    if end > file.size or cflag in (_FIRST, _MIDDLE):
        raise InputError(
            f"{file.path}: cut short at byte {file.size}: the record before it is not whole"
        )
    return np.concatenate(kept) if kept else np.empty(0, np.int64)


def _heads_in(file: ByteFile, place: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """The parts that begin in the block at ``place``: their offsets and their second words."""
    size = min(BLOCK + 4, file.size - place)  # including the word after the block's last
    words = np.frombuffer(file.read(place, size // 4 * 4), "<u4")
    found = np.flatnonzero(words[: BLOCK // 4] == MAGIC)
    if len(found) and found[-1] + 1 == len(words):
        raise InputError(f"{file.path}: cut short at byte {place + int(found[-1]) * 4}")
    return found.astype(np.int64) * 4 + place, words[found + 1]


def _refuse(file: ByteFile, at: NDArray[np.int64], wrong: NDArray[np.bool_], reason: str) -> None:
    if wrong.any():
        raise InputError(f"{file.path}: byte {at[int(np.argmax(wrong))]}: {reason}; it is damaged")


def record_beginnings(
    file: ByteFile, offsets: NDArray[np.int64], width: int
) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """The ``width`` bytes from each offset on, in one pass and bounded memory.

    Args:
        file: the file.
        offsets: int64 [N], ascending, each at least 8 bytes before the file's end.
        width: how many bytes; padded with zeros beyond the end of the file.

    Yields:
        slice, uint8 [n, width]: consecutive rows of ``offsets``, and their bytes.
    """
    # Records are read in runs, which end where the gap to the next record exceeds GAP.
    ends = np.append(np.flatnonzero(np.diff(offsets) > GAP) + 1, len(offsets))
    row = 0
    while row < len(offsets):
        start = int(offsets[row])
        run = int(ends[np.searchsorted(ends, row, side="right")])
        stop = min(run, int(np.searchsorted(offsets, start + BLOCK - width, side="right")))
        size = int(offsets[stop - 1]) - start + width
        block = file.read(start, min(size, file.size - start)).ljust(size, b"\0")
        windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(block, np.uint8), width)
        yield slice(row, stop), windows[offsets[row:stop] - start]
        row = stop
