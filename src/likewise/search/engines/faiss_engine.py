"""A family whose engine is a faiss index: build, search, file, memory and threads."""

from __future__ import annotations

import math
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import faiss
import numpy as np

from likewise.errors import InputError, first_line
from likewise.search.engines.engine import Engine, Mask, Rows, Vectors
from likewise.search.engines.exact_scan import threads_for
from likewise.search.engines.parameters import Settings

__all__ = ["FaissEngine", "geometric_grid", "padded"]

FILE = "engine.faiss"
INNER = ("base_index", "refine_index", "index", "quantizer", "storage")  # attributes in faiss


class FaissEngine(Engine):
    """A faiss index whose labels are the rows of the vectors.

    Args:
        index: holds the vectors, in their order.
        settings: the build settings, with those that the family computes.
        size: bytes of the structure; measured if None.
    """

    mappable: ClassVar[bool] = True  # faiss can memory-map the file

    def __init__(self, index: Any, settings: Settings, size: int | None = None) -> None:
        self.index = index
        self.settings = settings
        self.count = int(index.ntotal)
        self._size = _bytes_of(index) if size is None else size

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Train and fill the index."""
        chosen = cls.with_defaults(settings, *vectors.shape)
        index = cls.empty_index(vectors, metric, chosen)
        wide = padded(vectors, index.d)
        if not index.is_trained:
            index.train(wide)
        index.add(wide)
        return cls(index, chosen)

    @classmethod
    def with_defaults(cls, settings: Settings, count: int, dimension: int) -> Settings:
        """The settings, with values for the parameters that the family computes."""
        return dict(settings)

    @classmethod
    @abstractmethod
    def empty_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """An empty faiss index, trained or not."""

    @abstractmethod
    def faiss_parameters(self, k: int, settings: Settings, selector: Any) -> Any:
        """faiss's search parameters; ``selector`` is a faiss ``IDSelector``, or None."""

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, mask: Mask | None = None
    ) -> Rows:
        """The candidates that faiss finds."""
        selector, bits = _selector(mask)
        parameters = self.faiss_parameters(k, settings, selector)
        wide = padded(queries, self.index.d)
        with threads_for(len(queries)):
            _, rows = self.faiss_search(wide, self.candidate_count(k, settings), params=parameters)
        del selector, bits  # faiss reads the bits while it searches
        return np.asarray(rows, np.int64)

    @property
    def faiss_search(self) -> Any:
        """The index's search method that accepts search parameters."""
        # faiss's torch bindings, which some libraries load, replace ``search`` by one that accepts
        # no parameters, and keep the original as ``search_numpy``.
        return getattr(self.index, "search_numpy", self.index.search)

    def candidate_count(self, k: int, settings: Settings) -> int:
        """How many candidates to ask faiss for."""
        return k

    def save(self, folder: Path) -> None:
        """Write a faiss file."""
        faiss.write_index(self.index, str(folder / FILE))

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Read a faiss file, memory-mapped where faiss can."""
        path = folder / FILE
        flags = faiss.IO_FLAG_MMAP_IFC if mmap and cls.mappable else 0
        try:
            index = _read(str(path), flags)
        except (RuntimeError, MemoryError) as error:
            reason = first_line(error)
            raise InputError(f"{path}: faiss cannot read it ({reason}); build it again") from None
        if index.ntotal != len(vectors):
            raise InputError(
                f"{path}: holds {index.ntotal} vectors, not {len(vectors)}; build it again"
            )
        chosen = cls.with_defaults(settings, *vectors.shape)
        if _structure(index) != _structure(cls.empty_index(vectors, metric, chosen)):
            raise InputError(
                f"{path}: is not a {cls.name} engine over these vectors; build it again"
            )
        return cls(index, chosen, path.stat().st_size)

    @property
    def memory_bytes(self) -> int:
        """The size of the faiss file."""
        return self._size


def geometric_grid(least: int, most: int, step: float = 1.5) -> list[int]:
    """Whole numbers from ``least`` to ``most``, each about ``step`` times the previous one."""
    least = max(1, least)
    if most <= least:
        return [least]
    count = max(1, round(math.log(most / least) / math.log(step)))
    return sorted({round(least * (most / least) ** (n / count)) for n in range(count + 1)})


def padded(vectors: Vectors, width: int) -> Vectors:
    """The vectors, padded with zeros to ``width``; products and distances stay the same."""
    missing = width - vectors.shape[1]
    return vectors if missing <= 0 else np.pad(vectors, ((0, 0), (0, missing)))


def _selector(mask: Mask | None) -> tuple[Any, Any]:
    """faiss's selector of the masked rows, and the bits that must live as long as it."""
    if mask is None:
        return None, None
    bits = np.packbits(mask, bitorder="little")
    return faiss.IDSelectorBitmap(len(mask), faiss.swig_ptr(bits)), bits


def _read(path: str, flags: int) -> Any:
    if flags:
        try:
            return faiss.read_index(path, flags)
        except RuntimeError:  # this kind of index cannot be mapped: read it
            pass
    return faiss.read_index(path)


def _structure(index: Any) -> tuple[Any, ...]:
    """Type, dimension and metric of an index and of its inner indexes, to compare two of them."""
    whole = faiss.downcast_index(index)  # does not own the index, so ``index`` must outlive it
    inner = (getattr(whole, name, None) for name in INNER)
    return (
        type(whole).__name__.removesuffix("IP").removesuffix("L2"),  # the metric is compared below
        whole.d,
        whole.metric_type,
        *(_structure(part) for part in inner if part is not None),
    )


def _bytes_of(index: Any) -> int:
    total = 0

    def count(part: bytes) -> int:
        nonlocal total
        total += len(part)
        return len(part)

    faiss.write_index(index, faiss.PyCallbackIOWriter(count, 2**22))
    return total
