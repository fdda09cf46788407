"""What an index shows of itself in a notebook, and its items as a DataFrame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from likewise.arrays import data_frame
from likewise.data.columns import metadata_names
from likewise.pages.shown import COLUMNS, ROWS, Shown, Table, View
from likewise.search.engines.engine import Ids, Vectors

__all__ = ["Described"]


class Described(Shown):
    """The facts of an index; see ``Index`` for what each means."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def family(self) -> str:
        """The family's name."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """The build settings."""

    @property
    @abstractmethod
    def search_settings(self) -> Mapping[str, Any]:
        """The search settings, for searches that give none."""

    @property
    @abstractmethod
    def metric(self) -> str:
        """The metric."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """The fingerprint of the embedder that made the vectors."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """The dimension of vectors as users give them."""

    @property
    @abstractmethod
    def ids(self) -> Ids:
        """All ids, in the order of ``vectors``."""

    @property
    @abstractmethod
    def vectors(self) -> Vectors:
        """All vectors."""

    @property
    @abstractmethod
    def items(self) -> pa.Table | None:
        """The metadata of each vector, in the order of ``vectors``."""

    def to_pandas(self, *, vectors: bool = False) -> Any:
        """A ``pandas.DataFrame``: the column ``id``, the items, and ``vector`` if asked for.

        Args:
            vectors: add the vectors, as they are stored: of unit length for the cosine.
        """
        columns: dict[str, Any] = {"id": self.ids}
        items = self.items
        if items is not None:
            for name, unique in metadata_names(items.column_names, {"id": 0, "vector": 0}).items():
                columns[unique] = items[name]
        if vectors:
            columns["vector"] = self.vectors
        return data_frame(columns)

    def _view(self) -> View:
        rows: list[tuple[object, object]] = [
            ("family", " ".join([self.family, *_words(self.settings)])),
            ("search settings", " ".join(_words(self.search_settings)) or "none"),
            ("embedder", self.fingerprint),
        ]
        memory = getattr(self, "memory_bytes", None)  # unknown for an index on a server
        if memory is not None:
            rows.append(("memory", f"{memory / 1e6:,.1f} MB"))
        for name, measured in self._measured().get("recalls", {}).items():
            rows.append((f"measured {name}", f"{measured['value']:.4f}"))
        title = f"Index: {len(self):,} vectors of {self.dimension} numbers, {self.metric}"
        return View(title, (), [Table(("", ""), rows), *self._items_shown()])

    def _measured(self) -> Mapping[str, Any]:
        """What the tuner measured; nothing if the index was not tuned."""
        return getattr(self, "evidence", {})

    def _items_shown(self) -> list[Table]:
        """The first items; none without items."""
        ids = self.ids[:ROWS]
        items = self._items_of(ids)
        if items is None:
            return []
        columns = [items[name].to_pylist() for name in items.column_names[:COLUMNS]]
        rows = list(zip(ids.tolist(), *columns, strict=True))
        return [Table(("id", *items.column_names), rows, count=len(self))]

    @abstractmethod
    def _items_of(self, ids: Ids) -> pa.Table | None:
        """The items of ids, nulls for unknown ids; None if the index has no items."""


def _words(settings: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in settings.items()]
