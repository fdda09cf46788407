"""Annoy: a forest of random projection trees, each split by the plane between two vectors."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Self

import numpy as np

from likewise.errors import InputError
from likewise.machine import usable_cores
from likewise.search.engines.engine import Engine, Mask, Rows, Vectors
from likewise.search.engines.faiss_engine import geometric_grid
from likewise.search.engines.parameters import Parameter, Settings
from likewise.search.families import register_family

__all__ = ["Annoy"]

METRICS: dict[str, Any] = {"cosine": "angular", "euclidean": "euclidean", "manhattan": "manhattan"}
FILE = "engine.annoy"
SEED = 20_160_501


@register_family
class Annoy(Engine):
    """Splits the space by the plane between two random vectors, and each half again, until few
    vectors are left: a tree. A search descends all trees at once, the most promising branches
    first, until it has ``nodes`` candidates. Its file is memory-mapped, so processes share one copy
    and an index larger than memory can be searched; other families are faster.

    Source: Bernhardsson, Annoy: approximate nearest neighbors in C++/Python, 2013; Dasgupta,
    Freund, Random projection trees and low dimensional manifolds, 2008.
    """

    name = "annoy"
    extra = "annoy"
    library = "annoy"
    metrics = ("cosine", "euclidean", "manhattan")
    build_parameters = (Parameter("trees", 50, "trees of the forest; more raise recall", 1, 2_000),)
    search_parameters = (
        Parameter("nodes", 2_000, "candidates to collect; more raise recall", 1, 2**31 - 1),
    )

    def __init__(self, forest: Any, path: Path) -> None:
        self._forest = forest
        # Saving with annoy would unmap the forest while others search it. So the file is kept open,
        # even if its name is deleted, and copied.
        self._file = path.open("rb")
        self._copying = Lock()

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Build the trees, on all cores."""
        from annoy import AnnoyIndex

        forest: Any = AnnoyIndex(vectors.shape[1], METRICS[metric])
        forest.set_seed(SEED)
        for row, vector in enumerate(vectors):
            forest.add_item(row, vector)
        forest.build(int(settings["trees"]), n_jobs=usable_cores())
        with TemporaryDirectory(prefix="likewise-") as folder:
            path = Path(folder) / FILE
            forest.save(str(path))  # also maps the file
            return cls(forest, path)

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, mask: Mask | None = None
    ) -> Rows:
        """The candidates from the trees, query by query."""
        found = np.full((len(queries), k), -1, np.int64)
        nodes = max(k, int(settings["nodes"]))
        for row, query in enumerate(queries):
            rows = self._forest.get_nns_by_vector(query, k, nodes)
            found[row, : len(rows)] = rows
        return found

    def save(self, folder: Path) -> None:
        """Copy the file of the forest."""
        with self._copying, (folder / FILE).open("wb") as copy:
            self._file.seek(0)
            shutil.copyfileobj(self._file, copy, 2**20)

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Map the file of the forest, or read it whole."""
        from annoy import AnnoyIndex

        path = folder / FILE
        forest: Any = AnnoyIndex(vectors.shape[1], METRICS[metric])
        try:
            forest.load(str(path), prefault=not mmap)
        except OSError as error:
            raise InputError(f"{path}: annoy cannot read it ({error}); build it again") from None
        if forest.get_n_items() != len(vectors):
            raise InputError(
                f"{path}: holds {forest.get_n_items()} vectors, not {len(vectors)}; build it again"
            )
        return cls(forest, path)

    @property
    def memory_bytes(self) -> int:
        """The size of the file, which is in memory while it is searched."""
        return os.fstat(self._file.fileno()).st_size

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Small and large forests."""
        return [{"trees": trees} for trees in (10, 50, 100)]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """From some hundred candidates to a fifth of all vectors."""
        return [
            {"nodes": n} for n in geometric_grid(20 * k, max(20 * k, min(count // 5, 100_000)), 2)
        ]
