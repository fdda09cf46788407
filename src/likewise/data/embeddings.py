"""Embeddings on disk: a Parquet file with ids, identities and metadata, or a plain ``.npy``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from likewise.errors import InputError
from likewise.storage import new_file

__all__ = ["EXTERNAL", "Embeddings", "read_embeddings", "require_same_embedder", "write_embeddings"]

EXTERNAL = "external"  # the fingerprint of vectors that no Likewise embedder made
ROW_GROUP = 16_384
KEY = b"likewise"


@dataclass(frozen=True)
class Embeddings:
    """Vectors with the photos that they were made of.

    Args:
        vectors: float32 [N,D].
        items: N rows with the column ``path`` (the photo's name), usually ``identity``, and any
            metadata.
        fingerprint: which embedder made them, or ``external``.
    """

    vectors: NDArray[np.float32]
    items: pa.Table
    fingerprint: str = EXTERNAL

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != self.items.num_rows:
            raise InputError(
                f"embeddings: {list(self.vectors.shape)} numbers for {self.items.num_rows} names"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def names(self) -> list[str]:
        """The name of each row's photo."""
        names: list[str] = self.items["path"].to_pylist()
        return names

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label of each row: the place of its identity among the sorted ones.

        Raises:
            InputError: the file holds no identities.
        """
        if "identity" not in self.items.column_names:
            raise InputError("embeddings: no column identity, so genuine pairs are not known")
        _, labels = np.unique(self.items["identity"].to_pylist(), return_inverse=True)
        return labels.astype(np.int64)


def write_embeddings(embeddings: Embeddings, path: Path) -> None:
    """Write a Parquet file in row groups; ``vector`` is a fixed-size list of float32."""
    count, dimension = embeddings.vectors.shape
    flat = pa.array(np.ascontiguousarray(embeddings.vectors, np.float32).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(flat, dimension)
    header = {"fingerprint": embeddings.fingerprint, "dimension": dimension, "count": count}
    table = embeddings.items.append_column("vector", vectors)
    table = table.replace_schema_metadata({KEY: json.dumps(header).encode()})
    with new_file(path) as temporary:
        pq.write_table(table, temporary, row_group_size=ROW_GROUP)


def read_embeddings(path: Path, names: Path | None = None) -> Embeddings:
    """Read a ``.parquet`` written by Likewise, or a ``.npy`` [N,D] with its names.

    Args:
        path: the file.
        names: for ``.npy``, a text file with one photo's name a line; a name ``PERSON/photo``
            gives the identity too.

    Raises:
        InputError: the file cannot be read, the counts differ, a name comes twice, or a row is not
            finite.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.suffix.lower() == ".npy":
        found = _read_npy(path, names)
    elif path.suffix.lower() == ".parquet":
        found = _read_parquet(path)
    else:
        raise InputError(f"{path}: embeddings are a .parquet or a .npy file")
    finite = np.isfinite(found.vectors).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{path}: {int((~finite).sum())} rows are not finite; the first is row "
            f"{int(np.argmin(finite)) + 1}"
        )
    return found


def _read_npy(path: Path, names: Path | None) -> Embeddings:
    if names is None:
        raise InputError(f"{path}: a .npy file needs its names: --ids FILE, one name a line")
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        lines = names.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read with {names} ({error})") from None
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise InputError(f"{path}: expected floats [N,D], found {vectors.dtype} {vectors.shape}")
    if len(lines) != len(vectors):
        raise InputError(f"{path} has {len(vectors)} rows, {names} has {len(lines)} names")
    if len(set(lines)) < len(lines):
        first: dict[str, int] = {}
        for row, line in enumerate(lines, 1):
            if first.setdefault(line, row) != row:
                raise InputError(
                    f"{names}: rows {first[line]} and {row} have the same name {line!r}"
                )
    columns = {"path": lines}
    if all("/" in line for line in lines):
        columns["identity"] = [line.rsplit("/", 1)[0] for line in lines]
    return Embeddings(np.asarray(vectors, np.float32), pa.table(columns))


def _read_parquet(path: Path) -> Embeddings:
    try:
        table = pq.read_table(path, memory_map=True)
        header = json.loads((table.schema.metadata or {}).get(KEY, b"{}"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None
    kind = table.schema.field("vector").type if "vector" in table.column_names else None
    if kind is None or not pa.types.is_fixed_size_list(kind):
        raise InputError(f"{path}: no column vector of fixed-size lists; write it with: embed")
    column = table["vector"].combine_chunks()
    if column.null_count:
        raise InputError(f"{path}: {column.null_count} rows have no vector")
    flat = column.flatten().to_numpy(zero_copy_only=False)
    vectors = flat.reshape(len(table), kind.list_size).astype(np.float32, copy=False)
    items = table.drop_columns(["vector"]).replace_schema_metadata(None)
    if "path" not in items.column_names:
        raise InputError(f"{path}: no column path; it has: {', '.join(items.column_names)}")
    return Embeddings(vectors, items, header.get("fingerprint", EXTERNAL))


def require_same_embedder(left: str, right: str, what: str) -> None:
    """Refuse to compare vectors of two embedders: their numbers mean different things.

    Raises:
        InputError: the fingerprints differ; names both.
    """
    if left != right:
        raise InputError(
            f"{what}: made by another embedder ({right}) than the one in use ({left}); "
            "embed and build again with the one you want"
        )
