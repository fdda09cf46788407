"""The interface of all indexes, in this process or on a server, and how to open a saved one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.search.contents.filter import Filter
from likewise.search.engines.engine import Ids, Vectors
from likewise.search.index import Index
from likewise.search.milvus.pointer import FAMILY, family_in

__all__ = ["SearchIndex", "open_index"]


@runtime_checkable
class SearchIndex(Protocol):
    """The methods that ``Index`` and ``MilvusIndex`` share; see ``Index`` for what each does."""

    def __len__(self) -> int: ...

    @property
    def family(self) -> str:
        """The family's name."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The build settings."""

    @property
    def search_settings(self) -> Mapping[str, Any]:
        """The search settings, for searches that give none."""

    @property
    def metric(self) -> str:
        """The metric."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the embedder that made the vectors."""

    @property
    def alignment(self) -> str | None:
        """To what the faces were aligned; None if that is not recorded."""

    @property
    def dimension(self) -> int:
        """The dimension of vectors as users give them."""

    @property
    def ids(self) -> Ids:
        """All ids, in the order of ``vectors``."""

    @property
    def vectors(self) -> Vectors:
        """All vectors."""

    @property
    def items(self) -> pa.Table | None:
        """The metadata of each vector, in the order of ``vectors``."""

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Vectors, Ids]:
        """The ``k`` most similar vectors of each query."""

    def range_search(
        self,
        queries: ArrayLike,
        threshold: float,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Ids, Vectors, Ids]:
        """All vectors whose score is at least ``threshold``."""

    def search_table(
        self,
        queries: Any,
        k: int = 10,
        *,
        vector: str = "embedding",
        id: str | None = None,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> pa.Table:
        """Search, with the results as a table."""

    def with_search_settings(self, settings: Mapping[str, object]) -> SearchIndex:
        """The same index, with other search settings."""

    def describe(self, ids: Sequence[int] | Ids) -> list[dict[str, object]]:
        """The items of ids."""

    def add(self, vectors: ArrayLike, ids: ArrayLike, items: pa.Table | None = None) -> None:
        """Add vectors under new ids."""

    def update(self, vectors: ArrayLike, ids: ArrayLike, items: pa.Table | None = None) -> None:
        """Add vectors, and replace those with the same ids."""

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors by id."""

    def save(self, folder: str | Path) -> Path:
        """Write the index for ``open_index``."""


def open_index(folder: str | Path, *, fingerprint: str | None = None) -> SearchIndex:
    """Open a saved index, with its vectors in the folder or on a server.

    Args:
        folder: as given to ``save``.
        fingerprint: of the embedder in use; an index of another embedder is refused.

    Raises:
        InputError: not an index, damaged, or made by another embedder.
        LikewiseError: the server does not answer.
        MissingExtra: the family's library is not installed.

    Example:
        >>> import numpy as np
        >>> from likewise.search.index import Index
        >>> from likewise.search.interface import open_index
        >>> folder = Index.build(np.eye(3), [10, 20, 30]).save(out)
        >>> open_index(folder).search([0, 1, 0.1], k=1)[1].tolist()
        [[20]]
    """
    if family_in(Path(folder)) != FAMILY:
        return Index.load(folder, fingerprint=fingerprint)
    from likewise.search.milvus.index import MilvusIndex

    return MilvusIndex.load(folder, fingerprint=fingerprint)
