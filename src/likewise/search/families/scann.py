"""ScaNN: anisotropic quantization in the leaves of a k-means tree."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from likewise.errors import InputError, first_line
from likewise.search.engines.engine import Engine, Mask, Rows, Vectors
from likewise.search.engines.faiss_engine import geometric_grid, padded
from likewise.search.engines.inverted_lists import probes_and_rerank
from likewise.search.engines.parameters import Parameter, Settings
from likewise.search.engines.scann_log import quiet
from likewise.search.families import register_family

__all__ = ["ScaNN"]

MEASURES = {"cosine": "dot_product", "dot": "dot_product", "euclidean": "squared_l2"}
MIN_WIDTH = 4  # narrower vectors are padded with zeros: a code takes two dimensions
MIN_BYTES = 8  # with fewer, int8 cannot tell many vectors apart; float32 is used instead
ASSETS = "scann_assets.pbtxt"
ASSET = r'assets\s*\{\s*asset_type:\s*\w+\s+asset_path:\s*"([\w.-]+)"\s*\}'


@register_family
class ScaNN(Engine):
    """Assigns the vectors to the leaves of a k-means tree and quantizes them so that the error
    parallel to the vector, which changes the product with a near query, costs more than the
    orthogonal error. The codes are scanned in SIMD registers and the best are reranked. It is the
    fastest family on many sets of 100,000 vectors and more; the build takes some seconds.

    Source: Guo et al., Accelerating large-scale inference with anisotropic vector quantization,
    2020.
    """

    name = "scann"
    extra = "scann"
    library = "scann"
    metrics = ("cosine", "dot", "euclidean")
    min_vectors = 1_000
    build_parameters = (
        Parameter(
            "leaves", None, "leaves of the tree; about 2·√N by default, 0: no tree", 0, 2**20
        ),
        Parameter(
            "refine",
            "int8",
            "longer codes that rerank the candidates",
            choices=("int8", "float32"),
        ),
    )
    search_parameters = (
        Parameter("visits", 20, "leaves that a search visits", 1, 2**20),
        Parameter("rerank", 10, "candidates by codes for each neighbor", 1, 10_000),
    )

    def __init__(self, searcher: Any, count: int, width: int, leaves: int, size: int) -> None:
        self._searcher = searcher
        self._count = count
        self._width = width
        self._leaves = leaves
        self._size = size

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Build the tree, train the codebooks and encode."""
        from scann import ReorderType, scann_ops_pybind

        quiet()
        count = len(vectors)
        wide = padded(vectors, MIN_WIDTH)
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
        float32 = settings["refine"] == "float32" or vectors.shape[1] < MIN_BYTES
        kind = ReorderType.FLOAT32 if float32 else ReorderType.INT8
        builder.reorder(100, quantize=kind)
        searcher = builder.build()
        codes = wide.shape[1] / 4 + (4 if float32 else 1) * wide.shape[1]
        size = int(count * (codes + 8) + 4 * leaves * wide.shape[1])
        return cls(searcher, count, wide.shape[1], leaves, size)

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, mask: Mask | None = None
    ) -> Rows:
        """The best by the longer codes."""
        wide = padded(queries, self._width)
        before = min(self._count, max(k, k * int(settings["rerank"])))
        final = min(before, k + k // 2 + 2)
        visits = min(int(settings["visits"]), self._leaves) if self._leaves else -1
        rows = np.full((len(queries), final), -1, np.int64)
        if len(queries) == 1:
            near, _ = self._searcher.search(wide[0], final, before, visits)
            rows[0, : len(near)] = near
            return rows
        near, scores = self._searcher.search_batched_parallel(wide, final, before, visits)
        rows[:, : near.shape[1]] = np.where(np.isnan(scores), -1, near.astype(np.int64))
        return rows

    def save(self, folder: Path) -> None:
        """Write ScaNN's files, which refer to each other by relative paths."""
        self._searcher.serialize(str(folder), relative_path=True)

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Read ScaNN's files; they cannot be memory-mapped."""
        from scann import scann_ops_pybind

        quiet()
        if not (folder / ASSETS).exists() or any(folder.glob("*.pkl")):
            raise InputError(f"{folder}: not the files of ScaNN; build it again")
        _require_own_assets(folder)
        try:
            searcher = scann_ops_pybind.load_searcher(str(folder), assets_backcompat_shim=False)
        except (RuntimeError, ValueError) as error:
            reason = first_line(error)
            raise InputError(f"{folder}: ScaNN cannot read it ({reason}); build it again") from None
        if searcher.size() != len(vectors):
            raise InputError(
                f"{folder}: holds {searcher.size()} vectors, not {len(vectors)}; build it again"
            )
        size = sum(path.stat().st_size for path in folder.iterdir())
        width = max(vectors.shape[1], MIN_WIDTH)
        return cls(searcher, len(vectors), width, _leaves(settings, len(vectors)), size)

    @property
    def memory_bytes(self) -> int:
        """Codes, longer codes and centroids."""
        return self._size

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Trees of few and of many leaves, and no tree."""
        usual = max(2, round(2 * math.sqrt(count)))
        sizes = (*sorted({usual // 2, usual, 2 * usual}), 0)
        return [{"leaves": leaves, "refine": "int8"} for leaves in sizes]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """More leaves together with more candidates."""
        leaves = _leaves({n: int(str(v)) for n, v in settings.items() if n == "leaves"}, count)
        if not leaves:
            return [{"visits": 1, "rerank": rerank} for rerank in (2, 4, 8, 16, 32, 64)]
        return probes_and_rerank(geometric_grid(1, max(1, leaves // 2)), "visits")


def _leaves(settings: Mapping[str, object], count: int) -> int:
    leaves = int(str(settings.get("leaves", round(2 * math.sqrt(count)))))
    return min(leaves, count // 2)


def _require_own_assets(folder: Path) -> None:
    """Refuse a list of files that leaves the folder: ScaNN would follow it.

    Raises:
        InputError: it names a file outside the folder, or has text that ScaNN does not write.
    """
    text = (folder / ASSETS).read_text(encoding="utf-8", errors="replace")
    names = re.findall(ASSET, text)
    unknown = re.sub(ASSET, "", text).strip()
    here = {path.name for path in folder.iterdir()}
    if unknown or not names or not set(names) <= here:
        raise InputError(f"{folder / ASSETS}: names files that are not the index's; build it again")
