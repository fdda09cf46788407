"""Read the files of an index, and refuse those that differ from the header.

Checksums detect damage, not manipulation. So no file outside the folder is read, no more memory is
allocated than the file has bytes, and numbers must be finite.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib import format as npy

from likewise.errors import InputError, first_line
from likewise.search.engines.engine import Ids, Mask
from likewise.search.storage.folder import ENGINE, HEADER
from likewise.storage import sha256_of

__all__ = ["array_in", "engine_in", "engine_name", "require_distinct", "table_in"]

DIGEST = re.compile(r"[0-9a-f]{64}")
BLOCK = 2**20  # bytes that are hashed and checked while they are in the cache


def array_in(
    folder: Path,
    name: str,
    files: Mapping[str, Any],
    shape: tuple[int | None, ...],
    kind: type[np.generic],
    *,
    mmap: bool = False,
) -> np.ndarray:
    """Read an array of an index.

    Args:
        folder: of the index.
        name: of the array in ``files``.
        files: the entries of the header.
        shape: the expected shape; None for any length.
        kind: the expected type; float32 must be finite.
        mmap: memory-map it.

    Raises:
        InputError: it is missing, damaged, of another shape or type, or not finite.
    """
    path, digest = _place(folder, name, files, ".npy")
    with path.open("rb") as stream:
        start = _data_start(stream, shape, kind)
        found, finite = _hashed(stream, start if kind is np.float32 else None)
    if found != digest:
        raise InputError(f"{path}: damaged (its checksum is wrong); build the index again")
    if start is None:
        wanted = "×".join("…" if side is None else str(side) for side in shape)
        raise InputError(
            f"{path}: does not hold {wanted} numbers ({np.dtype(kind)}), as its header says; "
            "build the index again"
        )
    if not finite:
        raise InputError(f"{path}: holds numbers that are not finite; build the index again")
    array: np.ndarray = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    return array


def _data_start(
    stream: BufferedReader, shape: tuple[int | None, ...], kind: type[np.generic]
) -> int | None:
    """The offset of the data; None unless the file is a complete array of this shape and type."""
    try:
        if npy.read_magic(stream) != (1, 0):
            return None
        found, by_columns, dtype = npy.read_array_header_1_0(stream)
    except Exception:  # any error of the parser of Python literals that NumPy uses
        return None
    start = stream.tell()
    size = stream.seek(0, 2) - start
    fits = len(found) == len(shape) and all(
        want in (None, has) for has, want in zip(found, shape, strict=True)
    )
    if by_columns or dtype != kind or not fits or min(found, default=0) < 0:
        return None
    values = 1
    for side in found:
        values *= side  # Python integers do not overflow
    return start if values * dtype.itemsize == size else None


def _hashed(stream: BufferedReader, start: int | None) -> tuple[str, bool]:
    """The SHA-256 of a file, and whether its float32 numbers from ``start`` on are finite."""
    digest, finite = hashlib.sha256(), True
    stream.seek(0)
    digest.update(stream.read(start or 0))
    block = bytearray(BLOCK)
    numbers = np.frombuffer(block, np.float32)
    while count := stream.readinto(block):
        digest.update(memoryview(block)[:count])
        if start is not None and finite:
            finite = bool(np.isfinite(numbers[: count // 4]).all())
    return digest.hexdigest(), finite


def table_in(folder: Path, name: str, files: Mapping[str, Any], rows: int) -> pa.Table:
    """Read a table of an index.

    Raises:
        InputError: it is missing, damaged, or has another number of rows.
    """
    path, digest = _place(folder, name, files, ".parquet")
    _require_digest(path, digest)
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows != rows:
                raise InputError(f"{path}: {file.metadata.num_rows} rows, not {rows}")
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        reason = first_line(error)
        raise InputError(f"{path}: cannot be read ({reason}); build the index again") from None
    if table.num_rows != rows:
        raise InputError(f"{path}: {table.num_rows} rows, not {rows}; build the index again")
    return table


def engine_name(files: Mapping[str, Any]) -> str:
    """The name of the folder of an engine's files, made from their names and checksums."""
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return f"{ENGINE}-{digest[:16]}"


def engine_in(folder: Path, entry: Mapping[str, Any]) -> Path | None:
    """The folder of the engine's files, which are exactly those of the header.

    Returns:
        None if the engine has no files.

    Raises:
        InputError: a file is missing, damaged or not listed, or the folder is not the index's.
    """
    files, name = entry["files"], entry["folder"]
    if not files and name is None:
        return None
    if not files or name != engine_name(files) or any(Path(n).name != n for n in files):
        raise InputError(f"{folder / HEADER}: damaged (engine_files); build the index again")
    home = folder / str(name)
    for file, listed in files.items():
        _require_size(home / file, listed["bytes"])
        _require_digest(home / file, listed["sha256"])
    if {path.name for path in home.iterdir()} != set(files):
        raise InputError(f"{home}: holds files that are not the index's; build it again")
    return home


def require_distinct(folder: Path, ids: Ids, gone: Mask | None, fresh: Ids) -> None:
    """Refuse an index in which two vectors have the same id.

    Raises:
        InputError: names the id.
    """
    alive = ids if gone is None else ids[~gone]
    for numbers in (ids, np.concatenate([alive, fresh]) if len(fresh) else fresh):
        if len(numbers) < 2 or (numbers[1:] > numbers[:-1]).all():
            continue
        ascending = np.sort(numbers)
        same = ascending[1:] == ascending[:-1]
        if same.any():
            number = int(ascending[np.argmax(same)])
            raise InputError(f"{folder}: damaged index (id {number} occurs twice); build it again")


def _place(folder: Path, name: str, files: Mapping[str, Any], suffix: str) -> tuple[Path, str]:
    """The path of a listed file of the listed size, and its checksum."""
    entry = files[name]
    digest = str(entry["sha256"])
    if not DIGEST.fullmatch(digest) or entry["file"] != f"{name}-{digest[:16]}{suffix}":
        raise InputError(f"{folder / HEADER}: damaged (its entry {name}); build the index again")
    path = folder / entry["file"]
    _require_size(path, entry["bytes"])
    return path, digest


def _require_size(path: Path, size: object) -> None:
    if not path.is_file() or path.stat().st_size != size:
        raise InputError(f"{path}: missing or truncated; build the index again")


def _require_digest(path: Path, digest: object) -> None:
    if sha256_of(path) != digest:
        raise InputError(f"{path}: damaged (its checksum is wrong); build the index again")
