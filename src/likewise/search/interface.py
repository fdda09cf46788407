"""What every index does, in this process or on a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.data.embeddings import require_same_embedder
from likewise.search.contents.filter import Filter
from likewise.search.families.engine import Ids, Vectors
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
        """The settings of each search."""

    @property
    def metric(self) -> str:
        """What the vectors are compared by."""

    @property
    def fingerprint(self) -> str:
        """The embedder that made the vectors."""

    @property
    def dimension(self) -> int:
        """The numbers in a vector."""

    @property
    def ids(self) -> Ids:
        """All ids, in the order of ``vectors``."""

    @property
    def vectors(self) -> Vectors:
        """All vectors."""

    @property
    def items(self) -> pa.Table | None:
        """What each vector is of."""

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Vectors, Ids]:
        """The ``k`` most alike of each query."""

    def range_search(
        self,
        queries: ArrayLike,
        threshold: float,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Ids, Vectors, Ids]:
        """All whose score is at least ``threshold``."""

    def search_table(
        self, queries: Any, k: int = 10, *, vector: str = "embedding", id: str | None = None
    ) -> pa.Table:
        """Search, with the answers as a table."""

    def with_search_settings(self, settings: Mapping[str, object]) -> SearchIndex:
        """The same index, searched with other settings."""

    def describe(self, ids: Sequence[int] | Ids) -> list[dict[str, object]]:
        """What each id is of."""

    def add(self, vectors: ArrayLike, ids: ArrayLike, items: pa.Table | None = None) -> None:
        """Add vectors under new ids."""

    def update(self, vectors: ArrayLike, ids: ArrayLike, items: pa.Table | None = None) -> None:
        """Add vectors, in place of those under the same ids."""

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors by id."""

    def save(self, folder: str | Path) -> Path:
        """Write what ``open_index`` reads."""


def open_index(folder: str | Path, *, fingerprint: str | None = None) -> SearchIndex:
    """Open the index of a folder, wherever its vectors are.

    Args:
        folder: what ``save`` of any index wrote.
        fingerprint: of the embedder in use; another embedder's index is refused.

    Raises:
        InputError: it is no index, is damaged, or was made by another embedder.
        LikewiseError: its vectors are on a server that does not answer.
        MissingExtra: its family's library is not installed.

    Example:
        >>> import numpy as np
        >>> from likewise.search.index import Index
        >>> from likewise.search.interface import open_index
        >>> folder = Index.build(np.eye(3), [10, 20, 30]).save(out)
        >>> open_index(folder).search([0, 1, 0.1], k=1)[1].tolist()
        [[20]]
    """
    index: SearchIndex
    if family_in(Path(folder)) != FAMILY:
        return Index.load(folder, fingerprint=fingerprint)
    from likewise.search.milvus.index import MilvusIndex

    index = MilvusIndex.load(folder)
    if fingerprint is not None:
        require_same_embedder(fingerprint, index.fingerprint, str(folder))
    return index
