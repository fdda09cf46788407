"""Read small MATLAB files (level 5, as MATLAB 5 to 7.2 write them): numbers, texts, cells, structs.

Everything is bounded before memory is allocated: the size of the file, of what is compressed in it,
and the elements of each array by the bytes that are left. Nothing in the file is run.

Source of the format: MAT-File Format, The MathWorks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from likewise.data.store import ByteFile
from likewise.errors import InputError

__all__ = ["MAX_MAT_BYTES", "read_mat"]

MAX_MAT_BYTES = 256 * 2**20
"""The most bytes of a file, also of its content after decompression: Cars-196 has 12 million."""

HEADER, TAG = 128, 8
COMPRESSED, MATRIX = 15, 14
CELL, STRUCT, CHAR = 1, 2, 4  # classes of arrays
NUMBERS = range(6, 16)
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
DEEPEST = 8  # arrays in arrays


class _Broken(Exception):
    """What is wrong with the file."""


def read_mat(path: Path) -> dict[str, Any]:
    """The variables of a file by name.

    Returns:
        Of numbers an array, of a text a string, of cells a list, of a struct array a list with a
        dictionary for each element; None for anything else, such as a function.

    Raises:
        InputError: it cannot be read, is not of level 5, is too large, or is damaged.
    """
    file = ByteFile(path)
    if file.size > MAX_MAT_BYTES:
        raise InputError(f"{path}: more than {MAX_MAT_BYTES:,} bytes; too large for a list")
    content = file.read(0, file.size)
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise InputError(
            f"{path}: not a MATLAB file of level 5; save it in MATLAB with the option -v6 or -v7"
        )
    try:
        return dict(_variables(memoryview(content)[HEADER:], order))
    except (_Broken, struct.error, zlib.error, ValueError, LookupError, MemoryError) as error:
        raise InputError(f"{path}: damaged MATLAB file ({error})") from None


def _variables(content: memoryview, order: str) -> Iterator[tuple[str, Any]]:
    left = MAX_MAT_BYTES
    at = 0
    while at + TAG <= len(content):
        kind, data, at = _element(content, at, order)
        if kind == COMPRESSED:
            machine = zlib.decompressobj()
            plain = machine.decompress(bytes(data), max(1, left))  # 0 would be no limit
            if machine.unconsumed_tail:
                raise _Broken(f"more than {MAX_MAT_BYTES:,} bytes when it is decompressed")
            left -= len(plain)
            kind, data, _ = _element(memoryview(plain), 0, order)
        if kind != MATRIX:
            raise _Broken(f"a variable of type {kind}")
        yield _array(data, order, 0)


def _element(content: memoryview, at: int, order: str) -> tuple[int, memoryview, int]:
    """The type of the element at a place, its bytes, and the place behind it."""
    kind, size = struct.unpack_from(f"{order}II", content, at)
    if kind >> 16:  # a short element: its bytes stand in its tag
        kind, size = kind & 0xFFFF, kind >> 16
        if size > 4:
            raise _Broken(f"{size} bytes in a short element")
        return kind, content[at + 4 : at + 4 + size], at + TAG
    start = at + TAG
    if start + size > len(content):
        raise _Broken(f"{size} bytes at {at}, beyond the end")
    end = start + size
    if kind != COMPRESSED:
        end = start + -(-size // 8) * 8  # the next element begins at a multiple of 8
    return kind, content[start : start + size], end


def _array(content: memoryview, order: str, depth: int) -> tuple[str, Any]:
    """The name and the value of an array."""
    if not len(content):
        return "", np.empty(0)
    if depth > DEEPEST:
        raise _Broken("arrays in arrays, too deep")
    _, flags, at = _element(content, 0, order)
    kind = struct.unpack_from(f"{order}I", flags)[0] & 0xFF
    _, sizes, at = _element(content, at, order)
    shape = np.frombuffer(sizes, f"{order}i4").tolist()
    _, name, at = _element(content, at, order)
    own = bytes(name).decode("latin-1")
    if kind in NUMBERS:
        return own, _numbers(content, at, order, shape)
    if kind == CHAR:
        return own, _text(content, at, order)
    if kind == CELL:
        return own, list(_inner(content, at, order, prod(shape), depth))
    if kind == STRUCT:
        _, length, at = _element(content, at, order)
        each = struct.unpack_from(f"{order}i", length)[0]
        _, names, at = _element(content, at, order)
        if not 0 < each <= 64:
            raise _Broken(f"names of fields of {each} bytes")
        fields = [
            bytes(names[start : start + each]).split(b"\0")[0].decode("latin-1")
            for start in range(0, len(names), each)
        ]
        values = list(_inner(content, at, order, prod(shape) * len(fields), depth))
        return own, [
            dict(zip(fields, values[start : start + len(fields)], strict=True))
            for start in range(0, len(values), len(fields))
        ]
    return own, None


def _inner(content: memoryview, at: int, order: str, count: int, depth: int) -> Iterator[Any]:
    """The values of ``count`` arrays, one after another."""
    if not 0 <= count <= (len(content) - at) // TAG:
        raise _Broken(f"{count} arrays in {len(content) - at} bytes")
    for _ in range(count):
        kind, data, at = _element(content, at, order)
        if kind != MATRIX:
            raise _Broken(f"an element of type {kind} where an array is expected")
        yield _array(data, order, depth + 1)[1]


def _numbers(content: memoryview, at: int, order: str, shape: list[int]) -> Any:
    kind, data, _ = _element(content, at, order)
    if kind not in TYPES:
        raise _Broken(f"numbers of type {kind}")
    return np.frombuffer(data, order + TYPES[kind]).reshape(shape, order="F")


def _text(content: memoryview, at: int, order: str) -> str:
    kind, data, _ = _element(content, at, order)
    encoding = TEXTS.get(kind)
    if encoding is None:
        raise _Broken(f"text of type {kind}")
    if encoding == "utf-16":
        encoding += "-le" if order == "<" else "-be"
    return bytes(data).decode(encoding)
