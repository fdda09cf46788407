"""Atomic writing of files: under a temporary name, flushed to disk, then renamed."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, time
from pathlib import Path
from typing import Any
from uuid import uuid4

from likewise.errors import InputError, LikewiseError
from likewise.errors import cannot_write as _cannot_write

__all__ = [
    "as_json",
    "new_file",
    "output_folder",
    "read_json",
    "require_writable",
    "sha256_of",
    "write_json",
    "write_text",
]


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; after the block, flush it to disk and rename it.

    A reader sees the old file or the new one, never a part of it. If the block fails, the old file
    stays and the temporary one is removed.

    Raises:
        InputError: the path is ``.`` or ``/``, which name no file.
        LikewiseError: the disk is full or the folder cannot be written; names the file.
    """
    if not path.name:  # "." or "/"
        raise InputError(f"{path}: is a folder; name a file in it")
    temporary = path.with_name(f".{path.name[:100]}.{uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise LikewiseError(_cannot_write(path, error)) from error
    finally:
        with suppress(OSError):  # it is renamed, or its folder is a file
            temporary.unlink()


def _flush_folder(folder: Path) -> None:
    """Flush the rename to disk, if the system can open a folder."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically; undecodable bytes of file names are escaped."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def as_json(value: Any) -> Any:
    """Convert a value to JSON types.

    Dates and times become text in ISO 8601, bytes become base64, a number that is not finite
    becomes null, and a value of any other type becomes its ``str``.

    Example:
        >>> from datetime import date
        >>> as_json({"born": date(1990, 5, 17), "age": float("nan"), "raw": b"ab"})
        {'born': '1990-05-17', 'age': None, 'raw': 'YWI='}
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(inner) for inner in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, (date, time)):  # a datetime is a date
        return value.isoformat()
    return str(value)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: it is missing or is not JSON; names the file and the position.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_writable(folder: Path) -> None:
    """Check that ``folder`` can be written, or created, before any long work starts.

    The folder is not created, so that work that fails later leaves no empty folder; ``new_file``
    creates it.

    Raises:
        LikewiseError: it is a file, or it or its parent folder cannot be written.
    """
    try:
        existing = folder
        while not _exists(existing):
            existing = existing.parent
        probe = existing / f".{uuid4().hex[:8]}.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LikewiseError(_cannot_write(folder, error)) from error


def _exists(path: Path) -> bool:
    try:
        path.lstat()  # also a dangling link, at which no folder can be created
    except FileNotFoundError:
        return False
    return True


def output_folder(path: Path) -> Path:
    """Create the folder ``path`` and check that it can be written.

    Raises:
        LikewiseError: it is a file, or cannot be created or written.
    """
    require_writable(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LikewiseError(_cannot_write(path, error)) from error
    return path
