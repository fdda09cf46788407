"""MegaFace: its lists, its noise lists, and the feature matrices of its devkit.

"The MegaFace Benchmark: 1 Million Faces for Recognition at Scale" (Kemelmacher-Shlizerman et al.,
2016). A feature is an OpenCV matrix: int32 rows, columns, bytes per row, type; then the numbers.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from likewise.data.embeddings import Embeddings
from likewise.data.paths import path_inside
from likewise.data.store import ByteFile
from likewise.data.text_file import read_lines, read_text
from likewise.errors import InputError
from likewise.storage import new_file, write_text

__all__ = [
    "MegaFaceList",
    "read_features",
    "read_list",
    "read_matrix",
    "read_noise",
    "write_list",
    "write_matrix",
]

FLOAT32 = 5  # OpenCV's CV_32F, one channel
MAX_DIMENSION = 65_536
MAX_LIST_BYTES = 512 * 2**20  # of a million paths: 60 MB
_HEADER = struct.Struct("<4i")


@dataclass(frozen=True)
class MegaFaceList:
    """A list of photos in the devkit's form.

    Args:
        paths: the path of each photo, relative to the folder of photos or of features.
        ids: the identity of each photo; None for distractors.
    """

    paths: list[str]
    ids: list[str] | None

    def __len__(self) -> int:
        return len(self.paths)

    def without(self, noise: frozenset[str]) -> MegaFaceList:
        """The list without the photos whose path or file name is in ``noise``."""
        kept = [
            row
            for row, path in enumerate(self.paths)
            if path not in noise and path.rsplit("/", 1)[-1] not in noise
        ]
        ids = None if self.ids is None else [self.ids[row] for row in kept]
        return MegaFaceList([self.paths[row] for row in kept], ids)


def read_list(path: str | Path) -> MegaFaceList:
    """Read a list of the devkit: JSON ``{"path": [...], "id": [...]}``.

    Raises:
        InputError: it is missing, not JSON, or not such a list; names the invalid entry.
    """
    path = Path(path)
    try:
        content = json.loads(read_text(path, MAX_LIST_BYTES))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("path"), list):
        raise InputError(f'{path}: expected {{"path": [...], "id": [...]}}')
    paths = _texts(path, "path", content["path"])
    ids = None
    if content.get("id") is not None:
        if not isinstance(content["id"], list) or len(content["id"]) != len(paths):
            raise InputError(f"{path}: id: expected a list as long as path, {len(paths)}")
        ids = _texts(path, "id", content["id"])
    return MegaFaceList(paths, ids)


def write_list(listed: MegaFaceList, path: str | Path) -> None:
    """Write a list in the devkit's form."""
    content: dict[str, list[str]] = {} if listed.ids is None else {"id": listed.ids}
    write_text(Path(path), json.dumps({**content, "path": listed.paths}))


def read_noise(path: str | Path) -> frozenset[str]:
    """Read a list of noisy photos, one per line; lines that begin with ``#`` are comments.

    If a line has several TAB-separated columns, the second is the path.

    Raises:
        InputError: it cannot be read, or is not text.
    """
    found: set[str] = set()
    for line in read_lines(Path(path)):
        text = line.strip()
        if text and not text.startswith("#"):
            fields = text.split("\t")
            found.add((fields[1] if len(fields) > 1 else text).strip())
    return frozenset(found)


def read_matrix(path: str | Path) -> NDArray[np.float32]:
    """Read a matrix of the devkit, float32 [rows, columns]; a feature is [D, 1].

    Raises:
        InputError: it cannot be read, has another type, or its size differs from its header.
    """
    file = ByteFile(Path(path))
    if file.size < _HEADER.size:
        raise InputError(f"{path}: {file.size} bytes; a matrix has a header of {_HEADER.size}")
    rows, columns, stride, kind = _HEADER.unpack(file.read(0, _HEADER.size))
    if kind != FLOAT32:
        raise InputError(f"{path}: a matrix of OpenCV's type {kind}; {FLOAT32} (float32) is read")
    if rows <= 0 or columns <= 0 or stride != 4 * columns:
        raise InputError(f"{path}: {rows} rows of {columns} numbers and {stride} bytes: damaged")
    if file.size != _HEADER.size + rows * stride:
        raise InputError(
            f"{path}: {rows}×{columns} numbers need {_HEADER.size + rows * stride} bytes, the "
            f"file has {file.size}"
        )
    content = np.frombuffer(file.read(_HEADER.size, rows * stride), "<f4")
    return content.reshape(rows, columns).astype(np.float32)


def write_matrix(path: str | Path, matrix: ArrayLike) -> None:
    """Write a feature [D], as D rows of one number like the devkit, or a matrix.

    Raises:
        InputError: it is empty, or has more than two axes.
    """
    values = np.asarray(matrix, "<f4")
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or not values.size:
        raise InputError(f"matrix: expected [D] or [rows, columns], got {list(values.shape)}")
    header = _HEADER.pack(*values.shape, 4 * values.shape[1], FLOAT32)
    with new_file(Path(path)) as temporary:
        temporary.write_bytes(header + values.tobytes())


def read_features(listed: MegaFaceList, folder: str | Path, suffix: str = ".bin") -> Embeddings:
    """Read the features of the photos in a list, one file per photo.

    Args:
        listed: the photos.
        folder: the folder of the features.
        suffix: appended to the path of a photo, such as ``_arcface.bin``.

    Raises:
        InputError: a path points outside the folder, a file is missing or damaged, a number is not
            finite, or features differ in length; names the file.
    """
    root = Path(folder)
    if not len(listed):
        raise InputError(f"{root}: the list has no photos")
    vectors: NDArray[np.float32] | None = None
    for row, name in enumerate(listed.paths):
        file = path_inside(root, f"{name}{suffix}")
        feature = read_matrix(file)
        if 1 not in feature.shape or feature.size > MAX_DIMENSION:
            raise InputError(f"{file}: {feature.shape[0]}×{feature.shape[1]} is not one feature")
        if vectors is None:
            vectors = _allocate(root, len(listed), feature.size)
        if feature.size != vectors.shape[1]:
            raise InputError(
                f"{file}: {feature.size} numbers, but the first has {vectors.shape[1]}"
            )
        if not np.isfinite(feature).all():
            raise InputError(f"{file}: a number is not finite")
        vectors[row] = feature.ravel()
    assert vectors is not None
    columns: dict[str, Any] = {"path": listed.paths}
    if listed.ids is not None:
        columns["identity"] = listed.ids
    return Embeddings(vectors, pa.table(columns))


def _allocate(root: Path, rows: int, dimension: int) -> NDArray[np.float32]:
    try:
        return np.empty((rows, dimension), np.float32)
    except MemoryError:
        raise InputError(f"{root}: {rows}×{dimension} numbers do not fit into memory") from None


def _texts(path: Path, key: str, values: list[Any]) -> list[str]:
    for number, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise InputError(f"{path}: {key}: entry {number} is not text")
    return [str(value) for value in values]
