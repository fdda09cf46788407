"""Reading the file of ``--queries``: embeddings to search an index with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from likewise.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from likewise.data.embeddings import Embeddings
    from likewise.search.tuning.probes import Probes

__all__ = ["read_probes", "read_queries"]


def read_queries(path: Path, ids: Path | None) -> Embeddings:
    """Read a file of embeddings; the rows of a .npy without ``ids`` are named row 1, row 2, ….

    Raises:
        InputError: the file cannot be read.
    """
    from likewise.data.embeddings import Embeddings, read_embeddings

    if path.suffix.lower() != ".npy" or ids is not None:
        return read_embeddings(path, ids)
    import pyarrow as pa

    vectors = _read_npy(path)
    return Embeddings(vectors, pa.table({"path": [f"row {n + 1}" for n in range(len(vectors))]}))


def read_probes(path: Path, fingerprint: str, items: pa.Table | None) -> Probes:
    """Read the queries that a recall is measured with.

    Args:
        path: a .parquet of embeddings, or a .npy [Q,D].
        fingerprint: of the embedder that made the indexed vectors.
        items: the metadata of the indexed vectors; identities in both tell which queries have
            no mate in the index.

    Raises:
        InputError: the file cannot be read, or another embedder made it.
    """
    from likewise.data.embeddings import read_embeddings, require_same_embedder
    from likewise.search.tuning.probes import given_probes, labels_among

    if path.suffix.lower() == ".npy":
        return given_probes(_read_npy(path))
    found = read_embeddings(path)
    require_same_embedder(fingerprint, found.fingerprint, str(path))
    return given_probes(found.vectors, labels_among(found.items, items))


def _read_npy(path: Path) -> NDArray[np.float32]:
    """Read a .npy of floats [Q,D] without names; an error names its row, from 1."""
    import numpy as np

    try:
        # Memory-mapped: a header that claims more than the file holds allocates nothing.
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise InputError(f"{path}: must be floats [Q,D]; found {vectors.dtype}")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InputError(f"{path}: row {int(np.argmin(finite)) + 1} is not finite")
    return np.asarray(vectors, np.float32)
