"""What lies in an index's folder, read only where it is what the header says that it is.

Checksums tell what is damaged, and nothing about what somebody has written on purpose. So no file
outside the folder is read, nothing is allocated that the file does not hold, and the numbers are
finite.
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

from likewise.errors import InputError
from likewise.search.families.engine import Ids, Mask
from likewise.search.storage.folder import ENGINE, HEADER
from likewise.storage import sha256_of

__all__ = ["array_in", "engine_in", "engine_name", "require_distinct", "table_in"]

DIGEST = re.compile(r"[0-9a-f]{64}")
BLOCK = 2**20  # bytes that are summed and looked at while they are in the cache


def array_in(
    folder: Path,
    name: str,
    files: Mapping[str, Any],
    shape: tuple[int | None, ...],
    kind: type[np.generic],
    *,
    mmap: bool = False,
) -> np.ndarray:
    """An array of an index.

    Args:
        folder: of the index.
        name: of the array in ``files``.
        files: those that the header lists.
        shape: that the header asks for; None where any length will do.
        kind: its type; float32 must be finite.
        mmap: leave it on disk.

    Raises:
        InputError: it is missing, damaged, of another shape or type, or not finite.
    """
    path, digest = _place(folder, name, files, ".npy")
    with path.open("rb") as stream:
        start = _start(stream, shape, kind)
        found, finite = _summed(stream, start if kind is np.float32 else None)
    if found != digest:
        raise InputError(f"{path}: damaged (its checksum is wrong); build the index again")
    if start is None:
        wanted = "×".join("…" if side is None else str(side) for side in shape)
        raise InputError(
            f"{path}: is not the {wanted} numbers ({np.dtype(kind)}) that the header asks for; "
            "build the index again"
        )
    if not finite:
        raise InputError(f"{path}: holds numbers that are not finite; build the index again")
    array: np.ndarray = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    return array


def _start(
    stream: BufferedReader, shape: tuple[int | None, ...], kind: type[np.generic]
) -> int | None:
    """Where the numbers begin; None unless the file is such an array and holds all of it."""
    try:
        if npy.read_magic(stream) != (1, 0):
            return None
        found, by_columns, dtype = npy.read_array_header_1_0(stream)
    except Exception:  # of the parser of Python literals, which is behind it
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
        values *= side  # of Python, which does not overflow
    return start if values * dtype.itemsize == size else None


def _summed(stream: BufferedReader, start: int | None) -> tuple[str, bool]:
    """The SHA-256 of a file, and whether its float32 from ``start`` on are finite."""
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
    """A table of an index.

    Raises:
        InputError: it is missing, damaged, or has not so many rows.
    """
    path, digest = _place(folder, name, files, ".parquet")
    _require_digest(path, digest)
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows != rows:
                raise InputError(f"{path}: {file.metadata.num_rows} rows, not {rows}")
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or ["damaged"])[0][:200]
        raise InputError(f"{path}: cannot be read ({reason}); build the index again") from None
    if table.num_rows != rows:
        raise InputError(f"{path}: {table.num_rows} rows, not {rows}; build the index again")
    return table


def engine_name(files: Mapping[str, Any]) -> str:
    """The folder of an engine's files, named by their names and checksums."""
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return f"{ENGINE}-{digest[:16]}"


def engine_in(folder: Path, entry: Mapping[str, Any]) -> Path | None:
    """The folder of the engine's files, each as the header has it and none besides.

    Returns:
        None where the engine has no files.

    Raises:
        InputError: one is missing, damaged or a stranger, or the folder is not the index's own.
    """
    files, name = entry["files"], entry["folder"]
    if not files and name is None:
        return None
    if not files or name != engine_name(files) or any(Path(n).name != n for n in files):
        raise InputError(f"{folder / HEADER}: damaged (engine_files); build the index again")
    home = folder / str(name)
    for file, its in files.items():
        _require_size(home / file, its["bytes"])
        _require_digest(home / file, its["sha256"])
    if {path.name for path in home.iterdir()} != set(files):
        raise InputError(f"{home}: holds files that are not the index's; build it again")
    return home


def require_distinct(folder: Path, ids: Ids, gone: Mask | None, fresh: Ids) -> None:
    """Refuse an index in which one id stands for two vectors.

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
            raise InputError(f"{folder}: damaged index (id {number} comes twice); build it again")


def _place(folder: Path, name: str, files: Mapping[str, Any], suffix: str) -> tuple[Path, str]:
    """The path of a listed file, which is there in full length, and its checksum."""
    entry = files[name]
    digest = str(entry["sha256"])
    if not DIGEST.fullmatch(digest) or entry["file"] != f"{name}-{digest[:16]}{suffix}":
        raise InputError(f"{folder / HEADER}: damaged (its entry {name}); build the index again")
    path = folder / entry["file"]
    _require_size(path, entry["bytes"])
    return path, digest


def _require_size(path: Path, size: object) -> None:
    if not path.is_file() or path.stat().st_size != size:
        raise InputError(f"{path}: missing or cut short; build the index again")


def _require_digest(path: Path, digest: object) -> None:
    if sha256_of(path) != digest:
        raise InputError(f"{path}: damaged (its checksum is wrong); build the index again")
