"""Annoy: a forest of trees whose every cut is the plane between two random points."""

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
from likewise.search.families.engine import Engine, Mask, Rows, Vectors
from likewise.search.families.faiss_engine import ladder
from likewise.search.families.knobs import Knob, Settings

__all__ = ["Annoy"]

METRICS: dict[str, Any] = {"cosine": "angular", "euclidean": "euclidean", "manhattan": "manhattan"}
FILE = "engine.annoy"
SEED = 20_160_501


class Annoy(Engine):
    """Cuts the space in two by the plane between two random vectors, and each half again, until
    few are left: a tree. A search walks all trees at once, the most promising branches first,
    until ``nodes`` candidates are met. Its file is mapped, so many processes share one copy and
    an index larger than memory still answers; others are quicker.

    Source: Bernhardsson, Annoy: approximate nearest neighbors in C++/Python, 2013; Dasgupta,
    Freund, Random projection trees and low dimensional manifolds, 2008.
    """

    name = "annoy"
    extra = "annoy"
    library = "annoy"
    metrics = ("cosine", "euclidean", "manhattan")
    build_knobs = (Knob("trees", 50, "trees of the forest; more find more", 1, 2_000),)
    search_knobs = (
        Knob("nodes", 2_000, "candidates that the walk meets before it ends", 1, 2**31 - 1),
    )

    def __init__(self, forest: Any, path: Path) -> None:
        self._forest = forest
        # Saving by annoy itself would unmap the forest under those who search it; so its file is
        # kept open, whatever becomes of its name, and copied.
        self._file = path.open("rb")
        self._copying = Lock()

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Grow the trees, on every core."""
        from annoy import AnnoyIndex

        forest: Any = AnnoyIndex(vectors.shape[1], METRICS[metric])
        forest.set_seed(SEED)
        for row, vector in enumerate(vectors):
            forest.add_item(row, vector)
        forest.build(int(settings["trees"]), n_jobs=usable_cores())
        with TemporaryDirectory(prefix="likewise-") as folder:
            path = Path(folder) / FILE
            forest.save(str(path))  # and maps it
            return cls(forest, path)

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, among: Mask | None = None
    ) -> Rows:
        """The candidates that the walk meets, query after query."""
        found = np.full((len(queries), k), -1, np.int64)
        nodes = max(k, int(settings["nodes"]))
        for row, query in enumerate(queries):
            rows = self._forest.get_nns_by_vector(query, k, nodes)
            found[row, : len(rows)] = rows
        return found

    def save(self, folder: Path) -> None:
        """Copy the forest's file."""
        with self._copying, (folder / FILE).open("wb") as copy:
            self._file.seek(0)
            shutil.copyfileobj(self._file, copy, 2**20)

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Map the forest's file, or read it whole."""
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
        """The forest's file, in memory while it is searched."""
        return os.fstat(self._file.fileno()).st_size

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Small forests and large."""
        return [{"trees": trees} for trees in (10, 50, 100)]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """From some hundred candidates to a fifth of all."""
        return [{"nodes": n} for n in ladder(20 * k, max(20 * k, min(count // 5, 100_000)), 2)]
