"""The directory of a zip archive, and its members read at random, each checked and bounded.

PKWARE's APPNOTE 6.3, the part that photo sets are written with: stored and deflated members,
zip64, one disk. Nothing is ever written to disk, so no name can lead anywhere; names that try
are refused all the same.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from likewise.data.store import MAX_PHOTO_BYTES, ByteFile
from likewise.errors import InputError

__all__ = ["ZipDirectory", "ZipStore", "read_zip_directory"]

MAX_DIRECTORY_BYTES = 512 * 2**20  # five million photos
STORED, DEFLATED = 0, 8
METHODS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstandard", 95: "xz", 99: "encryption"}

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_FULL = 0xFFFFFFFF
_LINK = 0o120000
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class ZipDirectory:
    """What an archive says of its members that are files, in its own order.

    Args:
        path: the archive.
        names: of each member, with ``/`` between folders.
        offsets: int64 [N], where each member's header stands.
        packed: int64 [N], its bytes in the archive.
        sizes: int64 [N], its bytes when unpacked, as the archive says.
        checks: int64 [N], its CRC-32.
        methods: int64 [N], how it is packed.
        encrypted: bool [N].
    """

    path: Path
    names: list[str]
    offsets: NDArray[np.int64]
    packed: NDArray[np.int64]
    sizes: NDArray[np.int64]
    checks: NDArray[np.int64]
    methods: NDArray[np.int64]
    encrypted: NDArray[np.bool_]

    def store(self, rows: NDArray[np.int64]) -> ZipStore:
        """What reads these members: place k is member ``rows[k]``.

        Raises:
            InputError: one is encrypted, is packed in a way that is not read, or says that it
                unpacks to more than a photo's bytes; names it.
        """
        too_large = self.sizes[rows] > MAX_PHOTO_BYTES
        strange = ~np.isin(self.methods[rows], (STORED, DEFLATED))
        for wrong in rows[self.encrypted[rows] | strange | too_large][:1].tolist():
            name, method = self.names[wrong], int(self.methods[wrong])
            if self.encrypted[wrong]:
                reason = "is encrypted; unpack the archive with its password"
            elif method not in (STORED, DEFLATED):
                kind = METHODS.get(method, f"method {method}")
                reason = f"is packed by {kind}; stored and deflated members are read"
            else:
                reason = f"unpacks to {self.sizes[wrong]:,} bytes; at most {MAX_PHOTO_BYTES:,}"
            raise InputError(f"{self.path}: {name!r} {reason}")
        columns = (self.offsets, self.packed, self.sizes, self.checks, self.methods)
        return ZipStore(self.path, *(column[rows] for column in columns))

    def start(self, row: int, size: int) -> bytes:
        """The first ``size`` bytes of a member, unchecked; none where it cannot be unpacked."""
        if self.encrypted[row] or self.methods[row] not in (STORED, DEFLATED):
            return b""
        with suppress(InputError):  # damaged: whoever wants the whole is told
            return self._whole.start(row, size)
        return b""

    @cached_property
    def _whole(self) -> ZipStore:
        """What reads every member, place k being member k, without a check of any."""
        columns = (self.offsets, self.packed, self.sizes, self.checks, self.methods)
        return ZipStore(self.path, *columns)


class ZipStore:
    """Members of a zip archive, each unpacked in memory when it is read.

    Args:
        path: the archive.
        offsets: int64 [N], where each member's header stands.
        packed: int64 [N], its bytes in the archive.
        sizes: int64 [N], its bytes when unpacked; never more are made.
        checks: int64 [N], its CRC-32.
        methods: int64 [N], stored or deflated.
    """

    def __init__(
        self,
        path: Path,
        offsets: NDArray[np.int64],
        packed: NDArray[np.int64],
        sizes: NDArray[np.int64],
        checks: NDArray[np.int64],
        methods: NDArray[np.int64],
    ) -> None:
        self.file = ByteFile(path)
        self.offsets, self.packed, self.sizes = offsets, packed, sizes
        self.checks, self.methods = checks, methods

    def read(self, place: int) -> bytes:
        """The content of a member.

        Raises:
            InputError: it is damaged, or does not unpack to what the directory says.
        """
        size = int(self.sizes[place])
        content = self.file.read(self._data(place), int(self.packed[place]))
        if self.methods[place] == DEFLATED:
            unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                content = unpacking.decompress(content, size + 1)
            except zlib.error as error:
                raise self._damaged(place, str(error)) from None
            if not unpacking.eof and len(content) <= size:
                raise self._damaged(place, "its data is cut short")
        if len(content) != size:
            raise self._damaged(place, f"unpacks to other than {size} bytes")
        if zlib.crc32(content) != self.checks[place]:
            raise self._damaged(place, "its checksum is wrong")
        return content

    def start(self, place: int, size: int) -> bytes:
        """The first ``size`` bytes of a member, unchecked, as its checksum is of the whole.

        Raises:
            InputError: it is damaged.
        """
        # What one deflated block's tables take at most, and the bytes themselves.
        packed = min(int(self.packed[place]), 1024 + size)
        content = self.file.read(self._data(place), packed)
        if self.methods[place] == DEFLATED:
            try:
                content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size)
            except zlib.error as error:
                raise self._damaged(place, str(error)) from None
        return content[:size]

    def _data(self, place: int) -> int:
        """The byte at which a member's content begins."""
        start = int(self.offsets[place])
        header = _LOCAL.unpack(self.file.read(start, _LOCAL.size))
        if header[0] != b"PK\x03\x04":
            raise self._damaged(place, "no member begins there")
        return start + _LOCAL.size + int(header[9]) + int(header[10])

    def _damaged(self, place: int, reason: str) -> InputError:
        start = self.offsets[place]
        return InputError(f"{self.file.path}: the member at byte {start} is damaged: {reason}")


def read_zip_directory(path: Path) -> ZipDirectory:
    """Read an archive's directory; no member is touched.

    Raises:
        InputError: it is no zip archive, is damaged, spans several, or a member is a link, has a
            name that leads out of the archive or that another has too, or overlaps another.
    """
    file = ByteFile(path)
    count, size, start = _end(file)
    if size > MAX_DIRECTORY_BYTES:
        raise InputError(f"{path}: a directory of {size:,} bytes; at most {MAX_DIRECTORY_BYTES:,}")
    directory = file.read(start, size)
    names: list[str] = []
    columns: list[tuple[int, int, int, int, int, bool]] = []
    for name, entry in _entries(path, directory, count, start):
        if not name.endswith("/"):
            names.append(name)
            columns.append(entry)
    table = np.array(columns, np.int64).reshape(-1, 6)
    _refuse_overlap(path, names, table, start)
    if len(set(names)) != len(names):
        twice = _first_repeated(names)
        raise InputError(f"{path}: two members are called {twice!r}: refused")
    offsets, packed, sizes, checks, methods, encrypted = table.T
    return ZipDirectory(
        path, names, offsets, packed, sizes, checks, methods, encrypted.astype(np.bool_)
    )


def _end(file: ByteFile) -> tuple[int, int, int]:
    """The number of members, and the size and place of the directory, from the archive's end."""
    tail_start = max(0, file.size - _END.size - 0xFFFF)
    tail = file.read(tail_start, file.size - tail_start)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0 and (
        len(tail) - at < _END.size or len(tail) - at - _END.size != _END.unpack_from(tail, at)[7]
    ):
        at = tail.rfind(b"PK\x05\x06", 0, at)
    if at < 0:
        raise InputError(f"{file.path}: no zip archive, or cut short: its directory is missing")
    _, disk, first, here, count, size, start, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    if 0xFFFF in (disk, first, here, count) or _FULL in (size, start):
        wide = _end64(file, end)
        if wide is not None:
            end, disk, first, here, count, size, start = wide
    if disk or first or here != count:
        raise InputError(f"{file.path}: one part of an archive in several; join them first")
    if start + size > end:
        raise InputError(f"{file.path}: its directory is damaged: {size} bytes at {start}")
    return count, size, start


def _end64(file: ByteFile, end: int) -> tuple[int, ...] | None:
    if end < _LOCATOR64.size:
        return None
    signature, _, place, _ = _LOCATOR64.unpack(file.read(end - _LOCATOR64.size, _LOCATOR64.size))
    if signature != b"PK\x06\x07":
        return None
    found = _END64.unpack(file.read(place, _END64.size))
    if found[0] != b"PK\x06\x06":
        raise InputError(f"{file.path}: its zip64 directory is damaged")
    return place, *found[4:]


def _entries(
    path: Path, directory: bytes, count: int, start: int
) -> Iterator[tuple[str, tuple[int, int, int, int, int, bool]]]:
    """The name of each member, and its offset, packed size, size, CRC, method, encryption."""
    at = 0
    for number in range(1, count + 1):
        if len(directory) - at < _ENTRY.size or directory[at : at + 4] != b"PK\x01\x02":
            raise InputError(
                f"{path}: the directory is damaged at byte {start + at}: member {number} of "
                f"{count} is missing"
            )
        entry = _ENTRY.unpack_from(directory, at)
        _, made_by, _, flags, method, _, _, check, packed, size = entry[:10]
        name_size, extra_size, comment_size, _, _, attributes, offset = entry[10:]
        name_start = at + _ENTRY.size
        extra_start = name_start + name_size
        at = extra_start + extra_size + comment_size
        if at > len(directory):
            raise InputError(f"{path}: the directory is cut short in member {number}")
        name = _name(path, number, directory[name_start:extra_start], bool(flags & 0x800))
        if made_by >> 8 == 3 and (attributes >> 16) & 0o170000 == _LINK:
            raise InputError(f"{path}: member {number}: {name!r} is a link: refused")
        if _FULL in (size, packed, offset):
            extra = directory[extra_start : extra_start + extra_size]
            size, packed, offset = _wide(path, number, extra, size, packed, offset)
        yield name, (offset, packed, size, check, method, bool(flags & 1))


def _name(path: Path, number: int, raw: bytes, utf8: bool) -> str:
    try:
        name = raw.decode("utf-8" if utf8 else "cp437").replace("\\", "/")
    except UnicodeDecodeError:
        raise InputError(f"{path}: member {number}: its name is no UTF-8") from None
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\0" in name or ".." in parts or _DRIVE.match(name):
        raise InputError(f"{path}: member {number}: {name!r} leads out of the archive: refused")
    return "/".join(parts) + ("/" if name.endswith("/") else "")


def _wide(path: Path, number: int, extra: bytes, *values: int) -> tuple[int, int, int]:
    """The values that are too large for 32 bits, from the zip64 part of the extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        content = extra[at + 4 : at + 4 + size]
        if kind == 1 and len(content) == size and len(content) >= 8 * values.count(_FULL):
            wide = iter(struct.unpack_from(f"<{values.count(_FULL)}Q", content))
            found = [next(wide) if value == _FULL else value for value in values]
            if max(found) < 2**62:
                return found[0], found[1], found[2]
        at += 4 + size
    raise InputError(f"{path}: member {number}: its zip64 sizes are damaged")


def _refuse_overlap(path: Path, names: list[str], table: NDArray[np.int64], start: int) -> None:
    """A member that shares its bytes with another, or lies in the directory, is a bomb."""
    order = np.argsort(table[:, 0], kind="stable")
    begins, packed = table[order, 0], table[order, 1]
    limits = np.append(begins[1:], start)
    wrong = np.flatnonzero(packed > limits - begins - _LOCAL.size)
    if len(wrong):
        name = names[int(order[wrong[0]])]
        raise InputError(f"{path}: {name!r} overlaps what follows it in the archive: refused")


def _first_repeated(names: list[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""
