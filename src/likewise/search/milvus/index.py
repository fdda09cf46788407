"""The index whose vectors are on a Milvus server, with the interface of ``Index``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.arguments import check_count
from likewise.data.embeddings import EXTERNAL, require_same_embedder
from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError
from likewise.search.contents.filter import Filter
from likewise.search.contents.input_checks import (
    checked_ids,
    checked_items,
    checked_threshold,
    integer_ids,
)
from likewise.search.contents.range_search import range_search
from likewise.search.contents.space import space_of
from likewise.search.contents.tables import Tables
from likewise.search.engines.engine import Ids, Vectors
from likewise.search.engines.parameters import checked_settings
from likewise.search.milvus.collection import About, Collection
from likewise.search.milvus.filter import server_filter_of
from likewise.search.milvus.items import columns_of
from likewise.search.milvus.nearest import nearest
from likewise.search.milvus.parameters import (
    BUILD_PARAMETERS,
    METRICS,
    index_parameters,
    search_parameters,
)
from likewise.search.milvus.pointer import FAMILY, read_pointer, write_pointer
from likewise.search.milvus.read_only import ReadOnlyMilvusIndex
from likewise.search.milvus.server import Server

__all__ = ["MilvusIndex"]


@final
class MilvusIndex(ReadOnlyMilvusIndex, Tables):
    """Finds the most similar of the vectors in a collection on a Milvus server.

    It does what ``Index`` does, and returns the same scores in the same order: the server finds
    candidates, whose exact scores are computed here from their vectors. Every read sees all writes
    that were acknowledged before it. Several processes may use one index. Whether an added id is
    new is checked before the write, not atomically with it.

    Make one with ``MilvusIndex.build``, ``MilvusIndex.open`` or ``MilvusIndex.load``.
    """

    @classmethod
    def build(
        cls,
        vectors: ArrayLike,
        ids: ArrayLike | None = None,
        *,
        uri: str,
        collection: str,
        settings: Mapping[str, object] | None = None,
        search_settings: Mapping[str, object] | None = None,
        metric: str | Mahalanobis = "cosine",
        fingerprint: str = EXTERNAL,
        items: pa.Table | None = None,
        timeout: float = 60.0,
    ) -> MilvusIndex:
        """Build an index on a server; an index of this name is replaced in one step.

        Args:
            vectors: [N,D], finite; for cosine of any length but zero.
            ids: int64 [N], distinct; 0 … N-1 if None.
            uri: ``http://HOST:PORT``; the token is read from ``LIKEWISE_MILVUS_TOKEN``.
            collection: the name of the index on the server: letters, digits and ``_``.
            settings: ``kind`` (``AUTOINDEX``, ``FLAT``, ``HNSW``, ``IVF_FLAT``) and its
                build parameters.
            search_settings: search parameters, for searches that give none.
            metric: ``cosine``, ``dot``, ``euclidean``, ``mahalanobis:FILE.npy`` (the matrix [D,D]),
                or a ``Mahalanobis`` distance, whose factor the server stores.
            fingerprint: the fingerprint of the embedder that made the vectors.
            items: N rows of metadata: numbers, strings, booleans.
            timeout: time limit of one call to the server, in seconds.

        Raises:
            InputError: see ``Index.build``; or the URI or the name is invalid.
            MissingExtra: pymilvus is not installed.
            LikewiseError: the server does not answer or reports an error.
        """
        space = space_of(metric)
        if space.metric not in METRICS:
            raise InputError(
                f"family milvus: has no metric {space.name}; it has: {', '.join(METRICS)}"
            )
        chosen_settings = checked_settings(FAMILY, BUILD_PARAMETERS, settings)
        searching = checked_settings(FAMILY, search_parameters(chosen_settings), search_settings)
        ready = space.prepare(vectors)
        numbers = checked_ids(np.arange(len(ready)) if ids is None else ids, len(ready))
        table = checked_items(items, len(ready))
        about = About(
            space.name, fingerprint, ready.shape[1], chosen_settings, searching,
            None if table is None else columns_of(table),
        )  # fmt: skip
        parameters = index_parameters(chosen_settings, space.metric, len(ready))
        server = Server(uri, timeout=timeout)
        return cls(
            Collection.create(
                server, collection, about, parameters, numbers, ready, table, space.factor
            )
        )

    @classmethod
    def open(
        cls, uri: str, collection: str, *, fingerprint: str | None = None, timeout: float = 60.0
    ) -> MilvusIndex:
        """Open an index on a server.

        Args:
            uri: see ``build``.
            collection: the name of the index.
            fingerprint: of the embedder in use; an index of another embedder is refused.
            timeout: time limit of one call to the server, in seconds.

        Raises:
            InputError: there is no such index, or another embedder made it.
            MissingExtra: pymilvus is not installed.
            LikewiseError: the server does not answer.
        """
        index = cls(Collection.open(Server(uri, timeout=timeout), collection))
        if fingerprint is not None:
            require_same_embedder(fingerprint, index.fingerprint, f"{uri}, {collection}")
        return index

    def save(self, folder: str | Path) -> Path:
        """Write a small header that names the server and the collection; ``open_index`` reads it.

        Raises:
            LikewiseError: the folder cannot be written.
        """
        about = {
            "metric": self.metric,
            "dimension": self.dimension,
            "fingerprint": self.fingerprint,
            "search_settings": self.search_settings,
        }
        collection = self._collection
        return write_pointer(Path(folder), collection.server.uri, collection.name, about)

    @classmethod
    def load(cls, folder: str | Path, *, fingerprint: str | None = None) -> MilvusIndex:
        """Open the index that the header in a folder names.

        Raises:
            InputError: see ``open``; or the header is damaged.
            LikewiseError: the server does not answer.
        """
        return cls.open(*read_pointer(Path(folder)), fingerprint=fingerprint)

    def with_search_settings(self, settings: Mapping[str, object]) -> MilvusIndex:
        """The same index, with other search settings.

        Raises:
            InputError: an unknown search parameter, or a value out of bounds.
        """
        return MilvusIndex(self._collection, settings)

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Vectors, Ids]:
        """The ``k`` most similar vectors of each query; see ``Index.search``.

        A filter by ids is sent to the server. A pyarrow expression is translated if it consists of
        ``&`` and ``|`` over comparisons with whole numbers and equality with strings; otherwise all
        items are fetched, and the ids of the matching ones are sent.

        Raises:
            InputError: see ``Index.search``.
            LikewiseError: the server does not answer.
        """
        k = check_count("k", k)
        wanted = self._space.prepare_queries(queries, self.dimension)
        chosen = self._search_settings if settings is None else self._checked(settings)
        server_filter = server_filter_of(self._collection, filter)
        return nearest(self._space, self._collection, wanted, k, chosen, server_filter)

    def range_search(
        self,
        queries: ArrayLike,
        threshold: float,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Ids, Vectors, Ids]:
        """All vectors whose score is at least ``threshold``; see ``Index.range_search``.

        Raises:
            InputError: see ``Index.range_search``.
            LikewiseError: the server does not answer.
        """
        threshold = checked_threshold(threshold)
        wanted = self._space.prepare_queries(queries, self.dimension)
        chosen = self._search_settings if settings is None else self._checked(settings)
        server_filter = server_filter_of(self._collection, filter)

        def find(some: Vectors, k: int) -> tuple[Vectors, Ids]:
            return nearest(self._space, self._collection, some, k, chosen, server_filter)

        total = sum(self._collection.count(part) for part in server_filter.parts)
        return range_search(find, total, wanted, threshold)

    def add(self, vectors: ArrayLike, ids: ArrayLike, items: pa.Table | None = None) -> None:
        """Add vectors under new ids; the next search finds them.

        Raises:
            InputError: see ``build``; or an id is already in the index.
        """
        self._write(vectors, ids, items, replace=False)

    def update(self, vectors: ArrayLike, ids: ArrayLike, items: pa.Table | None = None) -> None:
        """Add vectors, and replace those with the same ids.

        More than one message (4 MiB) of vectors becomes visible message by message.

        Raises:
            InputError: see ``build``.
        """
        self._write(vectors, ids, items, replace=True)

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors by id and return how many were removed; unknown ids are ignored."""
        known = self._collection.known(np.unique(integer_ids(ids).reshape(-1)))
        self._collection.delete(known)
        return len(known)

    def drop(self) -> None:
        """Delete the index on the server, permanently."""
        self._collection.drop()

    def _write(
        self, vectors: ArrayLike, ids: ArrayLike, items: pa.Table | None, *, replace: bool
    ) -> None:
        new = self._space.prepare(vectors)
        if new.shape[1] != self._collection.about.dimension:
            raise InputError(f"vectors: have {new.shape[1]} dimensions, not {self.dimension}")
        numbers = checked_ids(ids, len(new))
        table = checked_items(items, len(new))
        if (table is None) != (self._collection.about.columns is None):
            raise InputError("items: the index and the new vectors must both have them, or neither")
        known = np.empty(0, np.int64) if replace else self._collection.known(numbers)
        if len(known):
            raise InputError(
                f"ids: {int(known[0])} is already in the index; remove it first, or update it"
            )
        self._collection.write(numbers, new, table)
