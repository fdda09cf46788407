"""Exact search: every vector is compared, so that recall is 1."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np

from likewise.machine import pick_device
from likewise.search.families.engine import Engine, Mask, Rows, Vectors
from likewise.search.families.exact_pass import nearest_plain
from likewise.search.families.exact_torch import TorchScan
from likewise.search.families.knobs import Knob, Settings

__all__ = ["Exact"]


class Exact(Engine):
    """Compares the query with every vector, by faiss; the vectors may stay on disk.

    Nothing is built and nothing is kept beside the vectors. Up to some hundred thousand vectors,
    and for batches of queries (a matrix product), this is hard to beat.
    """

    name = "exact"
    metrics = ("cosine", "dot", "euclidean", "manhattan")
    smallest = 0
    selects = True
    scans = True
    search_knobs = (
        Knob(
            "device",
            "cpu",
            "where all are compared: cpu by faiss, cuda or mps by torch; auto takes a GPU if any",
            choices=("auto", "cpu", "cuda", "mps"),
        ),
    )

    def __init__(self, vectors: Vectors, metric: str) -> None:
        self._vectors = np.asarray(vectors)
        self._metric = metric
        self._scans: dict[str, TorchScan] = {}
        self._copying = Lock()

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Keep a reference to the vectors."""
        return cls(vectors, metric)

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, among: Mask | None = None
    ) -> Rows:
        """The ``k`` nearest, none of them missed."""
        if among is None:
            scan = None if settings.get("device", "cpu") == "cpu" else self._scan(settings)
            if scan is not None:
                return scan.nearest(queries, k)
            return nearest_plain(self._vectors, queries, k, self._metric)
        allowed = np.flatnonzero(among)
        best = nearest_plain(self._vectors[allowed], queries, min(k, len(allowed)), self._metric)
        found = np.full((len(queries), max(k, best.shape[1])), -1, np.int64)
        found[:, : best.shape[1]] = allowed[best]
        return found

    def _scan(self, settings: Settings) -> TorchScan | None:
        """The vectors on the device, copied once; None where that is the CPU."""
        device = pick_device(str(settings["device"]))
        if device.type == "cpu":
            return None
        with self._copying:
            if device.type not in self._scans:
                self._scans[device.type] = TorchScan(self._vectors, self._metric, device)
            return self._scans[device.type]

    def save(self, folder: Path) -> None:
        """Write nothing: the vectors are all."""

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Keep a reference to the vectors."""
        return cls(vectors, metric)

    @property
    def memory_bytes(self) -> int:
        """0: the vectors are not its own."""
        return 0
