"""Exact (brute-force) search: every vector is compared, so recall is 1."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np

from likewise.machine import pick_device
from likewise.search.engines.engine import Engine, Mask, Rows, Vectors
from likewise.search.engines.exact_scan import nearest_rows
from likewise.search.engines.parameters import Parameter, Settings
from likewise.search.engines.torch_scan import TorchScan
from likewise.search.families import register_family

__all__ = ["Exact"]


@register_family
class Exact(Engine):
    """Compares the query with every vector, by faiss, or by torch on a GPU.

    It builds and stores nothing besides the vectors. Up to some hundred thousand vectors, and for
    batches of queries (a matrix product), it is hard to beat.
    """

    name = "exact"
    metrics = ("cosine", "dot", "euclidean", "manhattan")
    min_vectors = 0
    exhaustive = True
    search_parameters = (
        Parameter(
            "device",
            "cpu",
            "cpu (by faiss), cuda or mps (by torch); auto takes a GPU if there is one",
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
        self, queries: Vectors, k: int, settings: Settings, mask: Mask | None = None
    ) -> Rows:
        """Rows that contain the ``k`` nearest."""
        scan = None if settings.get("device", "cpu") == "cpu" else self._scan(settings)
        if scan is not None:
            return scan.nearest(queries, k)
        return nearest_rows(self._vectors, queries, k, self._metric)

    def _scan(self, settings: Settings) -> TorchScan | None:
        """The vectors on the device, copied once; None if the device is the CPU."""
        device = pick_device(str(settings["device"]))
        if device.type == "cpu":
            return None
        with self._copying:
            if device.type not in self._scans:
                self._scans[device.type] = TorchScan(self._vectors, self._metric, device)
            return self._scans[device.type]

    def save(self, folder: Path) -> None:
        """Write nothing: the index stores the vectors."""

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Keep a reference to the vectors."""
        return cls(vectors, metric)

    @property
    def memory_bytes(self) -> int:
        """0: the vectors belong to the index."""
        return 0
