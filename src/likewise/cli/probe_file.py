"""Queries from a file, for tuning and checking: photos that an index does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from likewise.search.tuning.probes import Probes

__all__ = ["bare_vectors", "read_probes"]


def read_probes(path: Path, fingerprint: str, items: pa.Table | None) -> Probes:
    """Read a ``.parquet`` of embeddings, or a bare ``.npy`` [Q,D].

    Args:
        path: the file.
        fingerprint: of the embedder of what is searched.
        items: what is searched describes; the identities on both sides tell who is unknown.

    Raises:
        InputError: the file cannot be read, or another embedder made it.
    """
    from likewise.data.embeddings import read_embeddings, require_same_embedder
    from likewise.search.tuning.probes import given_probes, labels_among

    if path.suffix.lower() == ".npy":
        return given_probes(bare_vectors(path))
    found = read_embeddings(path)
    require_same_embedder(fingerprint, found.fingerprint, str(path))
    return given_probes(found.vectors, labels_among(found.items, items))


def bare_vectors(path: Path) -> NDArray[np.float32]:
    """The rows of a ``.npy`` [Q,D] that has no names.

    Raises:
        InputError: the file cannot be read, holds something else, or a row is not finite; rows
            count from 1.
    """
    import numpy as np

    from likewise.errors import InputError

    try:
        # Mapped: nothing is allocated that the file does not hold.
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise InputError(f"{path}: expected floats [Q,D], found {vectors.dtype}")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InputError(f"{path}: row {int(np.argmin(finite)) + 1} is not finite")
    return np.asarray(vectors, np.float32)
