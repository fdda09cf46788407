"""Read the headers of an untrusted tar archive; nothing is unpacked.

POSIX.1-1988 (ustar), POSIX.1-2001 (pax) and GNU long names are supported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from likewise.errors import InputError

__all__ = ["BLOCK", "Member", "file_size", "members"]

BLOCK = 512
MAX_EXTENSION = 2**20  # the largest long name or pax header, in bytes
FILES = b"0\0" + b"7"  # regular, regular in old archives, contiguous
EMPTY = bytes(BLOCK)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive.

    Args:
        name: its name in the archive.
        offset: the offset of its content.
        size: the size of its content in bytes.
        skipped: why it cannot be a photo (a link, a device), or None.
    """

    name: str
    offset: int
    size: int
    skipped: str | None


def members(stream: BinaryIO, size: int, path: Path) -> Iterator[Member]:
    """The members of an archive except folders, in one pass over its headers.

    The caller may move the stream between two members.

    Args:
        stream: the archive.
        size: its size in bytes.
        path: its name, for messages.

    Raises:
        InputError: it is not a tar archive, is cut short, or a header is damaged; names the byte.
    """
    at = 0
    long_name: str | None = None
    pax: dict[str, str] = {}
    while True:
        stream.seek(at)
        header = stream.read(BLOCK)
        if len(header) < BLOCK:
            raise InputError(f"{path}: cut short at byte {at}: the archive's end mark is missing")
        if header == EMPTY:
            return
        length = file_size(header, path, at)
        kind, start = header[156:157], at + BLOCK
        if kind in b"xgLK":
            if length > MAX_EXTENSION:
                raise InputError(f"{path}: byte {at}: a name of {length:,} bytes: damaged")
            content = stream.read(length)
            if len(content) < length:
                raise InputError(f"{path}: cut short in the header at byte {at}")
            if kind == b"L":
                long_name = _text(content.rstrip(b"\0"))
            elif kind == b"x":
                pax = _pax_records(content, path, at)
        else:
            sparse = kind == b"S" or any(key.startswith("GNU.sparse") for key in pax)
            name = pax.get("path") or long_name or _plain_name(header)
            skipped = _why_skipped(kind, sparse)
            if pax.get("size", "").isdecimal() and int(pax["size"][:20]) != length:
                length, skipped = int(pax["size"][:20]), "of two different sizes"
            length = length if kind in FILES or sparse else 0
            if start + length > size:
                raise InputError(
                    f"{path}: {name!r} claims {length:,} bytes at byte {start}, beyond the file's "
                    f"{size:,}: cut short, or a false size"
                )
            if kind != b"5" and not (kind in FILES and name.endswith("/")):
                yield Member(name, start, length, skipped)
            long_name, pax = None, {}
        at = start + -(-length // BLOCK) * BLOCK


def file_size(header: bytes, path: Path, at: int) -> int:
    """The size given in a header, after a check of its checksum.

    Raises:
        InputError: the checksum is wrong, or the size is not a number.
    """
    stated = _number(header[148:156])
    plain = sum(header) - sum(header[148:156]) + 256  # its own field counts as eight spaces
    # Some old archivers summed signed bytes.
    if stated != plain and stated != plain - 256 * sum(
        byte > 127 for byte in header[:148] + header[156:]
    ):
        hint = " (a compressed archive is not read at random: decompress it first)"
        raise InputError(f"{path}: no tar header at byte {at}{hint if at == 0 else ': damaged'}")
    size = _number(header[124:136])
    if size is None:
        raise InputError(f"{path}: byte {at}: the header's size is not a number")
    return size


def _number(field: bytes) -> int | None:
    """An octal number, or GNU's base 256; None if it is neither, or negative."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0")[0].strip()
    try:
        return int(digits or b"0", 8) if digits.isdigit() or not digits else None
    except ValueError:
        return None


def _plain_name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0]
    if header[257:263] == b"ustar\0" and prefix:  # GNU keeps other things in the prefix
        name = prefix + b"/" + name
    return _text(name)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _pax_records(content: bytes, path: Path, at: int) -> dict[str, str]:
    """Parse lines ``LENGTH KEY=VALUE\\n``; the length is that of the whole line."""
    found: dict[str, str] = {}
    while content.strip(b"\0"):
        digits, _, _ = content[:20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = content[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not equals or length > len(content) or not value.endswith(b"\n"):
            raise InputError(f"{path}: the pax header at byte {at} is damaged")
        found[_text(key)] = _text(value[:-1])
        content = content[length:]
    return found


def _why_skipped(kind: bytes, sparse: bool) -> str | None:
    if sparse:
        return "a sparse file"
    if kind in FILES:
        return None
    known = {b"1": "a hard link", b"2": "a link", b"3": "a device", b"4": "a device"}
    return known.get(kind, "a pipe" if kind == b"6" else "of an unknown kind")
