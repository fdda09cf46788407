"""ScaNN: codes whose error is small in the direction that decides, in the cells of a tree."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from likewise.errors import InputError
from likewise.search.families.engine import Engine, Mask, Rows, Vectors
from likewise.search.families.faiss_engine import ladder, padded
from likewise.search.families.knobs import Knob, Settings
from likewise.search.families.scann_log import quiet

__all__ = ["ScaNN"]

MEASURES = {"cosine": "dot_product", "dot": "dot_product", "euclidean": "squared_l2"}
LEAST_WIDTH = 4  # narrower vectors are filled with zeros: its codes take two dimensions each
LEAST_BYTES = 8  # fewer bytes cannot tell many vectors apart; then the numbers are kept whole
ASSETS = "scann_assets.pbtxt"
ASSET = r'assets\s*\{\s*asset_type:\s*\w+\s+asset_path:\s*"([\w.-]+)"\s*\}'


class ScaNN(Engine):
    """Sorts the vectors into the leaves of a k-means tree and codes them so that the error along
    the vector, which changes the product with a near query, costs more than the error across it;
    the codes are scanned in registers and the best sorted out. The quickest for single queries
    and batches on many sets of 100,000 vectors and more, in exchange for a build of some seconds.

    Source: Guo et al., Accelerating large-scale inference with anisotropic vector quantization,
    2020.
    """

    name = "scann"
    extra = "scann"
    library = "scann"
    metrics = ("cosine", "dot", "euclidean")
    smallest = 1_000
    build_knobs = (
        Knob("leaves", None, "leaves of the tree; about 2·√N if not named, 0 for none", 0, 2**20),
        Knob(
            "refine",
            "int8",
            "longer codes that sort the candidates out",
            choices=("int8", "float32"),
        ),
    )
    search_knobs = (
        Knob("visits", 20, "leaves that a search visits", 1, 2**20),
        Knob("rerank", 10, "candidates by the codes for each row asked for", 1, 10_000),
    )

    def __init__(self, searcher: Any, count: int, width: int, leaves: int, size: int) -> None:
        self._searcher = searcher
        self._count = count
        self._width = width
        self._leaves = leaves
        self._size = size

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Grow the tree, train and write the codes."""
        from scann import ReorderType, scann_ops_pybind

        quiet()
        count = len(vectors)
        wide = padded(vectors, LEAST_WIDTH)
        leaves = _leaves(settings, count)
        builder = scann_ops_pybind.builder(wide, 10, MEASURES[metric])
        if leaves:
            builder.tree(
                num_leaves=leaves,
                num_leaves_to_search=min(20, leaves),
                training_sample_size=min(count, max(100_000, 64 * leaves)),
                spherical=metric == "cosine",
            )
        threshold = 0.2 if MEASURES[metric] == "dot_product" else math.nan
        builder.score_ah(2, anisotropic_quantization_threshold=threshold)
        whole = settings["refine"] == "float32" or vectors.shape[1] < LEAST_BYTES
        kind = ReorderType.FLOAT32 if whole else ReorderType.INT8
        builder.reorder(100, quantize=kind)
        searcher = builder.build()
        codes = wide.shape[1] / 4 + (4 if whole else 1) * wide.shape[1]
        size = int(count * (codes + 8) + 4 * leaves * wide.shape[1])
        return cls(searcher, count, wide.shape[1], leaves, size)

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, among: Mask | None = None
    ) -> Rows:
        """The best by the longer codes."""
        wide = padded(queries, self._width)
        before = min(self._count, max(k, k * int(settings["rerank"])))
        final = min(before, k + k // 2 + 2)
        visits = min(int(settings["visits"]), self._leaves) if self._leaves else -1
        rows = np.full((len(queries), final), -1, np.int64)
        if len(queries) == 1:
            met, _ = self._searcher.search(wide[0], final, before, visits)
            rows[0, : len(met)] = met
            return rows
        met, scores = self._searcher.search_batched_parallel(wide, final, before, visits)
        rows[:, : met.shape[1]] = np.where(np.isnan(scores), -1, met.astype(np.int64))
        return rows

    def save(self, folder: Path) -> None:
        """Write ScaNN's files, which name one another by relative paths."""
        self._searcher.serialize(str(folder), relative_path=True)

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Read ScaNN's files; they cannot be mapped."""
        from scann import scann_ops_pybind

        quiet()
        if not (folder / ASSETS).exists() or any(folder.glob("*.pkl")):
            raise InputError(f"{folder}: not the files of ScaNN; build it again")
        _require_own_assets(folder)
        try:
            searcher = scann_ops_pybind.load_searcher(str(folder), assets_backcompat_shim=False)
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0][:200]
            raise InputError(f"{folder}: ScaNN cannot read it ({reason}); build it again") from None
        if searcher.size() != len(vectors):
            raise InputError(
                f"{folder}: holds {searcher.size()} vectors, not {len(vectors)}; build it again"
            )
        size = sum(path.stat().st_size for path in folder.iterdir())
        width = max(vectors.shape[1], LEAST_WIDTH)
        return cls(searcher, len(vectors), width, _leaves(settings, len(vectors)), size)

    @property
    def memory_bytes(self) -> int:
        """Codes, longer codes and centres."""
        return self._size

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Trees of few leaves and many, and all codes without one."""
        usual = max(2, round(2 * math.sqrt(count)))
        sizes = (*sorted({usual // 2, usual, 2 * usual}), 0)
        return [{"leaves": leaves, "refine": "int8"} for leaves in sizes]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """More leaves, and more candidates with them."""
        leaves = _leaves({n: int(str(v)) for n, v in settings.items() if n == "leaves"}, count)
        if not leaves:
            return [{"visits": 1, "rerank": rerank} for rerank in (2, 4, 8, 16, 32, 64)]
        grid: list[Settings] = []
        visits = ladder(1, max(1, leaves // 2))
        for number, visit in enumerate(visits):
            usual = 4 * 2 ** round(3 * number / max(1, len(visits) - 1))
            grid += [{"visits": visit, "rerank": usual}, {"visits": visit, "rerank": 4 * usual}]
        return grid


def _leaves(settings: Mapping[str, object], count: int) -> int:
    named = int(str(settings.get("leaves", round(2 * math.sqrt(count)))))
    return min(named, count // 2)


def _require_own_assets(folder: Path) -> None:
    """Refuse a list of files that leads out of the folder: ScaNN would follow it.

    Raises:
        InputError: it names another file, or says something that ScaNN does not write.
    """
    text = (folder / ASSETS).read_text(encoding="utf-8", errors="replace")
    named = re.findall(ASSET, text)
    strange = re.sub(ASSET, "", text).strip()
    here = {path.name for path in folder.iterdir()}
    if strange or not named or not set(named) <= here:
        raise InputError(f"{folder / ASSETS}: names other files than the index's; build it again")
