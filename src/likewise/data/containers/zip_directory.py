"""The directory of a zip archive, and random access to its members, each checked and bounded.

``zipfile`` reads the directory; stored and deflated members are read here, by ``pread``, so that
threads and processes share an archive. Nothing is written to disk, so no name can overwrite a
file; names with a path outside the archive are refused all the same.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections import Counter
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
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
METHODS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstandard", 95: "xz", 99: "encryption"}
MEMBER = np.dtype(
    [
        ("offset", "<i8"),  # of the member's header
        ("packed", "<i8"),  # its bytes in the archive
        ("size", "<i8"),  # its bytes when decompressed, as the archive states
        ("crc", "<u4"),
        ("method", "<u2"),
        ("encrypted", "?"),
    ]
)

_LOCAL = struct.Struct("<4s5H3L2H")
_UNIX = 3
_LINK = 0o120000
_DRIVE = re.compile(r"[A-Za-z]:")
_PLAIN = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*", re.ASCII)  # nothing to normalise or refuse


@dataclass(frozen=True)
class ZipDirectory:
    """The members of an archive that are files, in the archive's order.

    Args:
        path: the archive.
        names: the name of each member, with ``/`` between folders.
        members: [N] of type ``MEMBER``.
    """

    path: Path
    names: list[str]
    members: NDArray[np.void]

    def store(self, rows: NDArray[np.int64]) -> ZipStore:
        """The store of these members: place k is member ``rows[k]``.

        Raises:
            InputError: a member is encrypted, is compressed by an unsupported method, or claims to
                be larger than any photo; names it.
        """
        chosen = self.members[rows]
        unsupported = ~np.isin(chosen["method"], (STORED, DEFLATED))
        wrong = chosen["encrypted"] | unsupported | (chosen["size"] > MAX_PHOTO_BYTES)
        for row in rows[wrong][:1].tolist():
            member, method = self.members[row], int(self.members[row]["method"])
            if member["encrypted"]:
                reason = "is encrypted; unpack the archive with its password"
            elif method not in (STORED, DEFLATED):
                kind = METHODS.get(method, f"method {method}")
                reason = f"is compressed by {kind}; only stored and deflated members are read"
            else:
                reason = f"claims {member['size']:,} bytes; at most {MAX_PHOTO_BYTES:,} are read"
            raise InputError(f"{self.path}: {self.names[row]!r} {reason}")
        return ZipStore(self.path, chosen)

    def start(self, row: int, size: int) -> bytes:
        """The first ``size`` bytes of a member, unchecked; none if it cannot be decompressed."""
        member = self.members[row]
        if member["encrypted"] or member["method"] not in (STORED, DEFLATED):
            return b""
        with suppress(InputError):  # damaged: reported when the whole member is read
            return self._all.start(row, size)
        return b""

    @cached_property
    def _all(self) -> ZipStore:
        """The store of all members, none of them checked."""
        return ZipStore(self.path, self.members)


class ZipStore:
    """Members of a zip archive, each decompressed in memory when it is read.

    Args:
        path: the archive.
        members: [N] of type ``MEMBER``, stored or deflated.
    """

    def __init__(self, path: Path, members: NDArray[np.void]) -> None:
        self.file = ByteFile(path)
        self.members = members

    def read(self, place: int) -> bytes:
        """The content of a member.

        Raises:
            InputError: it is damaged, or its size or checksum differs from the directory's.
        """
        member = self.members[place]
        size = int(member["size"])
        content = self.file.read(self._content_offset(place), int(member["packed"]))
        if member["method"] == DEFLATED:
            decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                content = decompressor.decompress(content, size + 1)
            except zlib.error as error:
                raise self._damaged(place, str(error)) from None
            if not decompressor.eof and len(content) <= size:
                raise self._damaged(place, "its data is cut short")
        if len(content) != size:
            raise self._damaged(place, f"its size is not {size} bytes as stated")
        if zlib.crc32(content) != member["crc"]:
            raise self._damaged(place, "its checksum is wrong")
        return content

    def start(self, place: int, size: int) -> bytes:
        """The first ``size`` bytes of a member, without a check: the checksum is of all of it.

        Raises:
            InputError: it is damaged.
        """
        # At most 1 KiB of deflate tables precede the bytes themselves.
        packed = min(int(self.members[place]["packed"]), 1024 + size)
        content = self.file.read(self._content_offset(place), packed)
        if self.members[place]["method"] == DEFLATED:
            try:
                content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size)
            except zlib.error as error:
                raise self._damaged(place, str(error)) from None
        return content[:size]

    def _content_offset(self, place: int) -> int:
        start = int(self.members[place]["offset"])
        header = _LOCAL.unpack(self.file.read(start, _LOCAL.size))
        if header[0] != b"PK\x03\x04":
            raise self._damaged(place, "no member begins there")
        return start + _LOCAL.size + int(header[9]) + int(header[10])

    def _damaged(self, place: int, reason: str) -> InputError:
        start = self.members[place]["offset"]
        return InputError(f"{self.file.path}: the member at byte {start} is damaged: {reason}")


def read_zip_directory(path: Path) -> ZipDirectory:
    """Read an archive's directory; the members themselves are not read.

    Takes about 5 s and 0.6 GiB for a million members.

    Raises:
        InputError: it is not a zip archive, is damaged, spans several files, or a member is a link,
            has a path outside the archive or the name of another member, or overlaps another.
    """
    try:
        with _BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
            start, entries = archive.start_dir, archive.infolist()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (
        zipfile.BadZipFile, OSError, NotImplementedError, ValueError, OverflowError, struct.error
    ) as error:  # fmt: skip
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a zip archive, or damaged or cut short ({error})") from None
    for number, entry in enumerate(entries, start=1):
        entry.filename = _checked_name(path, number, entry)
    files = [entry for entry in entries if not entry.filename.endswith("/")]
    names = [entry.filename for entry in files]
    try:
        table = np.fromiter(
            (
                (entry.header_offset, entry.compress_size, entry.file_size, entry.CRC,
                 entry.compress_type, entry.flag_bits & 1)
                for entry in files
            ),
            MEMBER, len(files),
        )  # fmt: skip
    except OverflowError:
        raise InputError(f"{path}: the directory is damaged: a size exceeds 64 bits") from None
    _refuse_overlap(path, names, table, start)
    if len(set(names)) != len(names):
        name = next(name for name, count in Counter(names).items() if count > 1)
        raise InputError(f"{path}: two members are called {name!r}: refused")
    return ZipDirectory(path, names, table)


class _BoundedFile(io.FileIO):
    """A file of which at most ``MAX_DIRECTORY_BYTES`` are read at once, whatever it claims."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise InputError(
                f"{self.name}: a directory of {size:,} bytes; at most {MAX_DIRECTORY_BYTES:,}"
            )
        return super().read(-1 if size is None else size)


def _checked_name(path: Path, number: int, entry: zipfile.ZipInfo) -> str:
    """The normalised name of a member; a folder's ends in ``/``."""
    name = entry.orig_filename.replace("\\", "/")
    if entry.create_system == _UNIX and (entry.external_attr >> 16) & 0o170000 == _LINK:
        raise InputError(f"{path}: member {number}: {name!r} is a link: refused")
    if entry.volume:
        raise InputError(f"{path}: one part of an archive in several; join them first")
    if _PLAIN.fullmatch(name):
        return name
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\0" in name or ".." in parts or _DRIVE.match(name):
        raise InputError(f"{path}: member {number}: {name!r} points outside the archive: refused")
    return "/".join(parts) + ("/" if name.endswith("/") else "")


def _refuse_overlap(path: Path, names: list[str], table: NDArray[np.void], start: int) -> None:
    """Refuse members that share bytes with each other or the directory: a zip bomb does."""
    order = np.argsort(table["offset"], kind="stable")
    begins, packed = table["offset"][order], table["packed"][order]
    limits = np.append(begins[1:], start)
    wrong = np.flatnonzero((begins < 0) | (packed > limits - begins - _LOCAL.size))
    if len(wrong):
        name = names[int(order[wrong[0]])]
        raise InputError(f"{path}: {name!r} overlaps what follows it in the archive: refused")
