"""An index that can be searched, but not changed: the reading half of ``Index``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.search.contents.contents import Contents
from likewise.search.contents.filter import Filter, filtered_rows
from likewise.search.contents.input_checks import checked_threshold, integer_ids
from likewise.search.contents.nearest import nearest
from likewise.search.contents.range_search import range_search
from likewise.search.contents.space import Space
from likewise.search.contents.tables import items_of
from likewise.search.engines.engine import Engine, Ids, Vectors
from likewise.search.engines.parameters import Settings, checked_settings

__all__ = ["ReadOnlyIndex"]


class ReadOnlyIndex:
    """Searches and describes contents; the tuner measures indexes through it.

    Args:
        contents: vectors, ids, items and engine.
        search_settings: checked search parameters, for searches that give none.
        evidence: what the tuner measured, as JSON; empty if the index was not tuned.
    """

    def __init__(
        self, contents: Contents, search_settings: Settings, evidence: Mapping[str, Any]
    ) -> None:
        self._contents = contents
        self._search_settings = search_settings
        self.evidence: dict[str, Any] = dict(evidence)
        """What the tuner measured: recall, latency, memory, …; any JSON."""

    def __len__(self) -> int:
        return len(self._contents.snapshot)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self):,} vectors of {self.dimension} numbers, "
            f"{self.metric}, family {self.family})"
        )

    # Properties

    @property
    def family(self) -> str:
        """The family's name."""
        return self._contents.family.name

    @property
    def engine(self) -> Engine:
        """The current engine; ``exact`` if the family has too few vectors to build on, or built a
        disconnected graph."""
        return self._contents.snapshot.base.engine

    @property
    def settings(self) -> Settings:
        """The build settings."""
        return dict(self._contents.settings)

    @property
    def search_settings(self) -> Settings:
        """The search settings, for searches that give none."""
        return dict(self._search_settings)

    @property
    def metric(self) -> str:
        """``cosine``, ``dot``, ``euclidean``, ``manhattan`` or ``mahalanobis``."""
        return self._contents.space.name

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the embedder that made the vectors."""
        return self._contents.fingerprint

    @property
    def alignment(self) -> str | None:
        """To what the faces were aligned (see ``likewise.data.alignment``); None if unknown."""
        return self._contents.alignment

    @alignment.setter
    def alignment(self, alignment: str | None) -> None:
        self._contents.alignment = alignment

    @property
    def dimension(self) -> int:
        """D, the dimension of vectors as users give them."""
        return self._contents.dimension

    @property
    def vectors(self) -> Vectors:
        """All vectors, float32 [len,D]: of unit length for cosine, mapped for mahalanobis."""
        return self._contents.snapshot.vectors

    @property
    def ids(self) -> Ids:
        """The ids, int64 [len], in the order of ``vectors``."""
        return self._contents.snapshot.ids

    @property
    def items(self) -> pa.Table | None:
        """The metadata of each vector, in the order of ``vectors``; None if never given."""
        return self._contents.snapshot.items

    @property
    def memory_bytes(self) -> int:
        """Resident memory of searching and describing, items included; memory-mapped vectors count
        only if every search reads all of them."""
        return self._contents.memory_bytes

    @property
    def degraded(self) -> bool:
        """Whether so much was removed or added since the build that a rebuild is worthwhile."""
        return self._contents.degraded

    # Searching

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Vectors, Ids]:
        """The ``k`` most similar vectors of each query.

        Args:
            queries: [Q,D], or one query [D].
            k: how many neighbors; fewer are returned if the index (or the filter) has fewer.
            filter: int64 ids (unknown ids are ignored), a boolean mask over the vectors in the
                order of ``ids``, or a pyarrow expression over the items, such as
                ``pc.field("camera") == 3``: only these vectors are searched.
            settings: search parameters for this search, instead of ``search_settings``.

        Returns:
            Scores float32 [Q,k'], descending (equal ones by ascending id), and their ids int64
            [Q,k'], with k' = min(k, number of vectors that pass the filter).

        Raises:
            InputError: another dimension, a query that is not finite or zero, k below 1, or a wrong
                filter or setting.
        """
        k = check_count("k", k)
        snapshot, prepared, chosen = self._contents.snapshot, *self._prepared(queries, settings)
        rows = None if filter is None else filtered_rows(snapshot, filter)
        return nearest(self._contents.space, snapshot, prepared, k, chosen, rows)

    def range_search(
        self,
        queries: ArrayLike,
        threshold: float,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Ids, Vectors, Ids]:
        """All vectors whose score is at least ``threshold``, as far as the family finds them.

        Args:
            queries: [Q,D], or one query [D].
            threshold: the minimum score: a similarity, or a negated distance.
            filter: see ``search``.
            settings: see ``search``.

        Returns:
            ``limits`` int64 [Q+1], scores float32 and ids int64: those of query q are
            ``scores[limits[q]:limits[q+1]]``, descending.

        Raises:
            InputError: see ``search``; or the threshold is not a number.

        Example:
            >>> import numpy as np
            >>> from likewise.search.index import Index
            >>> index = Index.build(np.eye(3), [10, 20, 30])
            >>> limits, scores, ids = index.range_search([[1, 1, 0], [0, 0, 1]], 0.5)
            >>> limits.tolist(), ids.tolist()
            ([0, 2, 3], [10, 20, 30])
        """
        threshold = checked_threshold(threshold)
        snapshot, prepared, chosen = self._contents.snapshot, *self._prepared(queries, settings)
        rows = None if filter is None else filtered_rows(snapshot, filter)

        def find(some: Vectors, k: int) -> tuple[Vectors, Ids]:
            return nearest(self._contents.space, snapshot, some, k, chosen, rows)

        total = len(snapshot) if rows is None else len(rows)
        return range_search(find, total, prepared, threshold)

    def describe(self, ids: Sequence[int] | Ids) -> list[dict[str, object]]:
        """The items of ids: one dictionary each, empty if the index has no items.

        Raises:
            InputError: an id is not in the index.
        """
        snapshot = self._contents.snapshot
        numbers = integer_ids(ids).reshape(-1)
        rows = snapshot.rows_of(numbers)
        if len(rows) and rows.min() < 0:
            raise InputError(f"ids: {int(numbers[rows.argmin()])} is not in the index")
        table = snapshot.items_at(rows)
        return [{} for _ in rows] if table is None else items_of(table)

    # The same contents, searched differently

    def with_search_settings(self, settings: Mapping[str, object]) -> Self:
        """The same index (they share later changes), with other search settings.

        Raises:
            InputError: an unknown search parameter, or a value out of bounds.
        """
        return type(self)(self._contents, self._checked(settings), self.evidence)

    def with_effort(self, effort: float, k: int = 10) -> Self:
        """The same index, searched faster or more thoroughly.

        Args:
            effort: from 0 for the family's fastest search settings to 1 for the most thorough.
            k: how many neighbors will be asked for.

        Raises:
            InputError: the effort is not from 0 to 1.
        """
        effort = check_number("effort", effort, least=0, most=1)
        contents = self._contents
        grid = contents.family.search_grid(contents.settings, len(self), k)
        return self.with_search_settings(grid[round(effort * (len(grid) - 1))])

    def in_mapped_space(self) -> Self:
        """The same index, searched by queries in the space of ``vectors``.

        It differs for mahalanobis only, where ``vectors`` are mapped and compared by Euclidean
        distance.
        """
        contents = self._contents
        if contents.space.factor is None:
            return self
        mapped = Contents(
            contents.family, contents.settings, Space(contents.space.metric),
            contents.fingerprint, contents.snapshot.base, contents.snapshot,
        )  # fmt: skip
        return type(self)(mapped, self._search_settings, self.evidence)

    def prepare(self, queries: ArrayLike) -> Vectors:
        """Queries in the space of ``vectors``, [Q,D']: of unit length for cosine, mapped for
        mahalanobis.

        Raises:
            InputError: see ``search``.
        """
        return self._contents.space.prepare_queries(queries, self.dimension)

    def _prepared(
        self, queries: ArrayLike, settings: Mapping[str, object] | None
    ) -> tuple[Vectors, Settings]:
        chosen = self._search_settings if settings is None else self._checked(settings)
        return self.prepare(queries), chosen

    def _checked(self, settings: Mapping[str, object]) -> Settings:
        kind = self._contents.family
        return checked_settings(kind.name, kind.search_parameters, settings)

    def _items_of(self, ids: Ids) -> pa.Table | None:
        snapshot = self._contents.snapshot
        return snapshot.items_at(snapshot.rows_of(ids))
