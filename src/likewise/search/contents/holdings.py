"""What an index is and holds: its family and settings, its metric, its vectors, ids and items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from likewise.search.contents.rebuild import Contents
from likewise.search.families.engine import Engine, Ids, Vectors
from likewise.search.families.knobs import Settings

__all__ = ["Holdings"]


class Holdings:
    """The part of an index that only tells."""

    def __init__(
        self, contents: Contents, search_settings: Settings, evidence: Mapping[str, Any]
    ) -> None:
        self._contents = contents
        self._search_settings = search_settings
        self.evidence: dict[str, Any] = dict(evidence)
        """How well it searches, as the tuner measured it; any JSON."""

    def __len__(self) -> int:
        return len(self._contents.snapshot)

    def __repr__(self) -> str:
        return (
            f"Index({len(self):,} vectors of {self.dimension} numbers, {self.metric}, "
            f"family {self.family})"
        )

    # What it is

    @property
    def family(self) -> str:
        """The family's name. So few vectors that it would not help are searched exactly."""
        return self._contents.family.name

    @property
    def engine(self) -> Engine:
        """What searches now; ``exact`` where the family has too few vectors to build on, or built
        a graph that does not lead to them."""
        return self._contents.snapshot.base.engine

    @property
    def settings(self) -> Settings:
        """The build settings."""
        return dict(self._contents.settings)

    @property
    def search_settings(self) -> Settings:
        """The settings of each search."""
        return dict(self._search_settings)

    @property
    def metric(self) -> str:
        """``cosine``, ``dot``, ``euclidean``, ``manhattan`` or ``mahalanobis``."""
        return self._contents.space.name

    @property
    def fingerprint(self) -> str:
        """The embedder that made the vectors."""
        return self._contents.fingerprint

    @property
    def dimension(self) -> int:
        """D, the numbers in a vector as it comes in."""
        return self._contents.dimension

    @property
    def vectors(self) -> Vectors:
        """What it holds, float32 [len,D]: of unit length for cosine, mapped for mahalanobis."""
        return self._contents.snapshot.vectors

    @property
    def ids(self) -> Ids:
        """The ids, int64 [len], in the order of ``vectors``."""
        return self._contents.snapshot.ids

    @property
    def items(self) -> pa.Table | None:
        """What each vector is of, in the order of ``vectors``; None if never given."""
        return self._contents.snapshot.items

    @property
    def memory_bytes(self) -> int:
        """Resident memory that searching and describing need, with the items; vectors left on disk
        count where all are read."""
        return self._contents.memory_bytes
