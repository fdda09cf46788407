"""A set with its embeddings: each vector beside the photo that it was made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.data.embeddings import Embeddings
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.inspection.census import Census
from likewise.inspection.templates import Templates, make_templates
from likewise.search.index import checked_vectors

__all__ = ["EmbeddedSet", "of_rows", "with_embeddings"]


@dataclass(frozen=True)
class EmbeddedSet:
    """The photos of a set that have an embedding.

    Args:
        vectors: unit length, float32 [M,D].
        rows: the manifest's row of each, int64 [M], ascending.
        labels: the identity of each, int64 [M].
        people: the templates of the manifest's identities.
    """

    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    people: Templates

    def place_of(self) -> dict[int, int]:
        """The place among the vectors of each photo's row."""
        return {row: place for place, row in enumerate(self.rows.tolist())}

    def typical(self, identity: int, count: int = 1, but: int = -1) -> list[int]:
        """The rows of the photos most like the whole of their identity; never ``but``."""
        places = np.flatnonzero((self.labels == identity) & (self.rows != but))
        likeness = self.vectors[places] @ self.people.units[identity]
        best = np.argsort(-likeness, kind="stable")[:count]
        found: list[int] = self.rows[places[best]].tolist()
        return found


def with_embeddings(manifest: Manifest, census: Census, embeddings: Embeddings) -> EmbeddedSet:
    """Find each readable photo's embedding by its name; the manifest says who it is.

    A photo that the set lists twice has the one embedding in both rows.

    Raises:
        InputError: a readable photo has none (names the first), a name comes twice, or a vector
            is zero.
    """
    names = embeddings.items["path"]
    if pc.count_distinct(names).as_py() < len(names):
        raise InputError("embeddings: a photo's name comes twice; embed the set again")
    rows = census.readable
    wanted = manifest.table["path"].take(pa.array(rows))
    places = pc.index_in(wanted.cast(pa.string()), value_set=names.cast(pa.string()))
    if places.null_count:
        first = wanted[pc.index(pc.is_null(places), True).as_py()].as_py()
        raise InputError(
            f"embeddings: none for {first!r} and {places.null_count - 1:,} more of the "
            f"{len(rows):,} photos; embed this very set"
        )
    return of_rows(manifest, embeddings.vectors[places.to_numpy().astype(np.int64)], rows)


def of_rows(
    manifest: Manifest, embedded: NDArray[np.float32], rows: NDArray[np.int64]
) -> EmbeddedSet:
    """The set of which ``rows``, int64 [M], ascending, have these embeddings, [M,D].

    Raises:
        InputError: a vector is zero.
    """
    vectors = checked_vectors(embedded, "cosine", "embedding")
    labels = manifest.labels[rows]
    return EmbeddedSet(
        vectors, rows, labels, make_templates(vectors, labels, len(manifest.identities))
    )
