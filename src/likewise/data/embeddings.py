"""Embeddings on disk: a Parquet file with names, identities and metadata, or a ``.npy``."""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from likewise.arrays import as_array, as_table, data_frame
from likewise.data.columns import refuse_repeated, rename_reserved_columns
from likewise.data.labels import label_texts, text_column, with_identities
from likewise.data.text_file import read_lines
from likewise.data.vectors import is_list, require_same_embedder, vectors_in
from likewise.errors import InputError, first_line
from likewise.storage import new_file

__all__ = [
    "EXTERNAL",
    "NORM",
    "Embeddings",
    "read_embeddings",
    "require_same_embedder",
    "write_embeddings",
]

EXTERNAL = "external"  # the fingerprint of vectors made outside of Likewise
NORM = "norm"  # the column with the length of each embedding before it was scaled to 1
ROW_GROUP = 16_384
KEY = b"likewise"


@dataclass(frozen=True, repr=False)
class Embeddings:
    """Embedding vectors with the names, identities and metadata of their photos.

    A metadata column ``vector`` is renamed to ``item_vector``; identity names are normalised, see
    ``likewise.data.labels``.

    Args:
        vectors: float32 [N,D].
        items: N rows with the column ``path`` (the photo's name), usually ``identity``, and any
            metadata; ``norm`` is the length of the raw embedding, which says how good the photo is.
        fingerprint: identifies the embedder that made the vectors, or ``external``.
        alignment: to what the faces were aligned (see ``likewise.data.alignment``); None if that is
            not recorded.

    Raises:
        InputError: the numbers of vectors and items differ, two columns have the same name, or a
            row has an empty name or identity.
    """

    vectors: NDArray[np.float32]
    items: pa.Table
    fingerprint: str = EXTERNAL
    alignment: str | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != self.items.num_rows:
            raise InputError(
                f"embeddings: vectors {list(self.vectors.shape)} for {self.items.num_rows} items"
            )
        object.__setattr__(self, "items", _checked_items(self.items, "embeddings"))

    @classmethod
    def of(
        cls,
        vectors: Any,
        labels: Any = None,
        names: Any = None,
        *,
        fingerprint: str = EXTERNAL,
        **metadata: Any,
    ) -> Embeddings:
        """Embeddings from arrays, however they were made.

        Args:
            vectors: numbers [N,D]: NumPy, torch on any device, a DataFrame, or lists.
            labels: the identity of each row, names or whole numbers, [N]; None if not known.
            names: of the photos, [N]; the numbers of the rows if None.
            fingerprint: identifies the embedder that made the vectors.
            metadata: further columns, each [N].

        Raises:
            InputError: the lengths differ, a row is not finite, or a label or a name is missing.

        Example:
            >>> from likewise import Embeddings
            >>> found = Embeddings.of([[1, 0], [0, 1]], ["anna", "bob"], camera=[3, 4])
            >>> found.names, found.items.column_names
            (['0', '1'], ['path', 'identity', 'camera'])
        """
        rows = as_array(vectors, "vectors")
        if rows.ndim != 2 or rows.dtype.kind not in "fiu" or not rows.shape[1]:
            raise InputError(
                f"vectors: {rows.dtype} of shape {list(rows.shape)}; must be numbers [N,D]"
            )
        with np.errstate(over="ignore"):  # values beyond float32 become infinite
            ready = np.ascontiguousarray(rows, np.float32)
        finite = np.isfinite(ready).all(axis=1)
        if not finite.all():
            raise InputError(f"vectors: row {int(np.argmin(finite))} is not finite in float32")
        for name in ("path", "identity"):
            if name in metadata:
                raise InputError(f"{name}: give the {'names' if name == 'path' else 'labels'}")
        columns: dict[str, Any] = {}
        columns["path"] = label_texts(np.arange(len(rows)) if names is None else names, "names")
        if labels is not None:
            columns["identity"] = label_texts(labels, "labels")
        table = {name: as_table({name: column}, name)[name] for name, column in columns.items()}
        table |= {
            name: as_table({name: column}, "metadata")[name] for name, column in metadata.items()
        }
        for name, column in table.items():
            if len(column) != len(rows):
                what = {"path": "names", "identity": "labels"}.get(name, name)
                raise InputError(f"{what}: {len(column)} for {len(rows)} vectors")
        return cls(ready, pa.table(table), fingerprint)

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        columns = ", ".join(self.items.column_names)
        return (
            f"Embeddings({len(self):,} vectors of {self.vectors.shape[1]} numbers, embedder "
            f"{self.fingerprint}, items: {columns if len(columns) < 80 else columns[:79] + '…'})"
        )

    def to_pandas(self, *, vectors: bool = False) -> Any:
        """A ``pandas.DataFrame`` of the items.

        Args:
            vectors: add the column ``vector``.
        """
        columns = {name: self.items[name] for name in self.items.column_names}
        return data_frame(columns | ({"vector": self.vectors} if vectors else {}))

    @property
    def names(self) -> list[str]:
        """The name of each row's photo."""
        return list(self.items["path"].to_pylist())

    @property
    def photo_items(self) -> pa.Table:
        """The items without ``norm``: what is known of the photos themselves."""
        return self.items.drop_columns([NORM]) if NORM in self.items.column_names else self.items

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label of each row: the index of its identity in the sorted identities.

        Raises:
            InputError: there are no identities.
        """
        if "identity" not in self.items.column_names:
            raise InputError(
                "embeddings: no column identity, so genuine pairs are unknown; for a .npy "
                "every name must be PERSON/photo"
            )
        _, labels = np.unique(self.items["identity"].to_pylist(), return_inverse=True)
        return labels.astype(np.int64)


def _checked_items(items: pa.Table, where: str | Path) -> pa.Table:
    """Check that names and identities are non-empty text, and rename reserved columns."""
    items = rename_reserved_columns(items, where, ("vector",))
    if "path" not in items.column_names:
        raise InputError(f"{where}: no column path; it has: {', '.join(items.column_names)}")
    names = text_column(items["path"], where, "path")
    items = items.set_column(items.column_names.index("path"), "path", names)
    return with_identities(items, where)


def write_embeddings(embeddings: Embeddings, path: str | Path) -> None:
    """Write a Parquet file; its column ``vector`` is a fixed-size list of float32.

    Example:
        >>> from likewise import Embeddings, read_embeddings, write_embeddings
        >>> write_embeddings(Embeddings.of([[1, 0], [0, 1]], ["anna", "bob"]), "two.parquet")
        >>> read_embeddings("two.parquet").items["identity"].to_pylist()
        ['anna', 'bob']
    """
    path = Path(path)
    if path.suffix != ".parquet":
        raise InputError(f"{path}: embeddings are written to a .parquet file; name one")
    count, dimension = embeddings.vectors.shape
    flat = pa.array(np.ascontiguousarray(embeddings.vectors, np.float32).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(flat, dimension)
    header = {"fingerprint": embeddings.fingerprint, "dimension": dimension, "count": count}
    if embeddings.alignment is not None:
        header["alignment"] = embeddings.alignment
    table = embeddings.items.append_column("vector", vectors)
    table = table.replace_schema_metadata({KEY: json.dumps(header).encode()})
    with new_file(path) as temporary:
        pq.write_table(table, temporary, row_group_size=ROW_GROUP)


def read_embeddings(path: str | Path, names: str | Path | None = None) -> Embeddings:
    """Read a ``.parquet`` written by Likewise, or a ``.npy`` [N,D] with a file of names.

    Args:
        path: the file.
        names: for ``.npy``, a text file with the name of one photo per line; names of the form
            ``PERSON/photo`` also give the identities.

    Raises:
        InputError: the file cannot be read, the numbers of rows and names differ, a name is
            repeated, or a row is not finite.

    Example:
        >>> from likewise import Embeddings, read_embeddings, write_embeddings
        >>> write_embeddings(Embeddings.of([[1, 0]], ["anna"]), "one.parquet")
        >>> read_embeddings("one.parquet").vectors.tolist()
        [[1.0, 0.0]]
    """
    path, names = Path(path), None if names is None else Path(names)
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
        raise InputError(f"{path}: a .npy file needs its names: --ids FILE, one name per line")
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    lines = read_lines(names)
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise InputError(f"{path}: expected floats [N,D], found {vectors.dtype} {vectors.shape}")
    if len(lines) != len(vectors):
        raise InputError(f"{path} has {len(vectors)} rows, {names} has {len(lines)} names")
    columns = {"path": lines}
    if all("/" in line for line in lines):
        columns["identity"] = [posixpath.normpath(line).rpartition("/")[0] for line in lines]
    items = _named_once(pa.table(columns), names)
    return Embeddings(np.asarray(vectors, np.float32), items)


def _read_parquet(path: Path) -> Embeddings:
    try:
        refuse_repeated(pq.read_schema(path).names, path)
        table = pq.read_table(path, memory_map=True)
        header = json.loads((table.schema.metadata or {}).get(KEY, b"{}"))
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)})") from None
    if "vector" not in table.column_names or not is_list(table.schema.field("vector").type):
        raise InputError(f"{path}: no column vector of lists of numbers; write it with: embed")
    vectors = vectors_in(table["vector"], f"{path}: column vector", first=1)
    items = table.drop_columns(["vector"]).replace_schema_metadata(None)
    alignment = header.get("alignment")
    return Embeddings(
        vectors,
        _named_once(items, path),
        header.get("fingerprint", EXTERNAL),
        alignment if isinstance(alignment, str) else None,
    )


def _named_once(items: pa.Table, where: Path) -> pa.Table:
    """Checked items with unique names; ``a.jpg`` and ``./a.jpg`` count as the same name."""
    items = _checked_items(items, where)
    names = items["path"].cast(pa.string())
    plain = names
    if pc.any(pc.match_substring_regex(names, r"(^|/)\.{0,2}/")).as_py():
        plain = pa.array([posixpath.normpath(name) for name in names.to_pylist()], pa.string())
    distinct = pc.unique(plain)
    if len(distinct) < len(names):
        which = pc.index_in(plain, value_set=distinct).to_numpy()
        _, first = np.unique(which, return_index=True)
        row = int(np.argmax(first[which] != np.arange(len(which))))
        raise InputError(
            f"{where}: rows {first[which[row]] + 1} and {row + 1} have the same name "
            f"{plain[row].as_py()!r}"
        )
    return items
