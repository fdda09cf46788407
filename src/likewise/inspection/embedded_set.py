"""A set of photos with their embeddings."""

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
from likewise.inspection.centroids import Centroids, make_centroids
from likewise.search.index import checked_vectors

__all__ = ["EmbeddedSet", "embedded_rows", "match_embeddings"]


@dataclass(frozen=True)
class EmbeddedSet:
    """The photos of a set that have an embedding.

    Args:
        vectors: unit length, float32 [M,D].
        rows: the photo's row in the manifest, int64 [M], ascending.
        labels: the identity of each, int64 [M].
        people: the centroids of the manifest's identities.
    """

    vectors: NDArray[np.float32]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    people: Centroids

    def vector_of_row(self) -> dict[int, int]:
        """The index of each photo's vector, by the photo's row."""
        return {row: index for index, row in enumerate(self.rows.tolist())}

    def typical(self, identity: int, count: int = 1, but: int = -1) -> list[int]:
        """The rows of the photos nearest to the centroid of their identity, without row ``but``."""
        own = np.flatnonzero((self.labels == identity) & (self.rows != but))
        similarity = self.vectors[own] @ self.people.directions[identity]
        best = np.argsort(-similarity, kind="stable")[:count]
        found: list[int] = self.rows[own[best]].tolist()
        return found


def match_embeddings(manifest: Manifest, census: Census, embeddings: Embeddings) -> EmbeddedSet:
    """Match embeddings with readable photos by path; labels are those of the manifest.

    A photo that the manifest lists twice gets the same embedding in both rows.

    Raises:
        InputError: a readable photo has no embedding (names the first), a path appears twice in
            the embeddings, or a vector is zero.
    """
    names = embeddings.items["path"]
    if pc.count_distinct(names).as_py() < len(names):
        raise InputError("embeddings: a path appears twice; embed the set again")
    rows = census.readable
    wanted = manifest.table["path"].take(pa.array(rows))
    indices = pc.index_in(wanted.cast(pa.string()), value_set=names.cast(pa.string()))
    if indices.null_count:
        first = wanted[pc.index(pc.is_null(indices), True).as_py()].as_py()
        raise InputError(
            f"embeddings: none for {first!r} and {indices.null_count - 1:,} more of the "
            f"{len(rows):,} photos; embed this set"
        )
    return embedded_rows(manifest, embeddings.vectors[indices.to_numpy().astype(np.int64)], rows)


def embedded_rows(
    manifest: Manifest, embedded: NDArray[np.float32], rows: NDArray[np.int64]
) -> EmbeddedSet:
    """The set whose ``rows``, int64 [M], ascending, have the embeddings ``embedded``, [M,D].

    Raises:
        InputError: a vector is zero.
    """
    vectors = checked_vectors(embedded, "cosine", "embedding")
    labels = manifest.labels[rows]
    return EmbeddedSet(
        vectors, rows, labels, make_centroids(vectors, labels, len(manifest.identities))
    )
