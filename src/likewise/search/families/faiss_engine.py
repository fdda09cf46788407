"""What the families that faiss builds share: its files, its memory, its threads."""

from __future__ import annotations

import math
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import faiss
import numpy as np

from likewise.errors import InputError
from likewise.search.families.engine import Engine, Mask, Rows, Vectors
from likewise.search.families.exact_pass import threads_for
from likewise.search.families.knobs import Settings

__all__ = ["FaissEngine", "ladder", "padded", "selector"]

FILE = "engine.faiss"
INSIDE = ("base_index", "refine_index", "index", "quantizer", "storage")  # faiss's own names


class FaissEngine(Engine):
    """A faiss index, whose labels are the rows.

    Args:
        index: holds as many vectors as the engine is over, in their order.
        settings: the build settings, those that the family chose included.
        size: bytes of the structure.
    """

    # Memory-mapped reading leaves these structures on disk until they are needed; faiss declines
    # it for some.
    mappable: ClassVar[bool] = True

    def __init__(self, index: Any, settings: Settings, size: int | None = None) -> None:
        self.index = index
        self.settings = settings
        self.count = int(index.ntotal)
        self._size = _bytes_of(index) if size is None else size

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Train and fill the index."""
        chosen = cls.resolved(settings, *vectors.shape)
        index = cls.made(vectors, metric, chosen)
        wide = padded(vectors, index.d)
        if not index.is_trained:
            index.train(wide)
        index.add(wide)
        return cls(index, chosen)

    @classmethod
    def resolved(cls, settings: Settings, count: int, dimension: int) -> Settings:
        """The settings with what the user left open filled in."""
        return dict(settings)

    @classmethod
    @abstractmethod
    def made(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """An empty faiss index, trained or not."""

    @abstractmethod
    def parameters(self, k: int, settings: Settings, among: Any) -> Any:
        """faiss's search parameters; ``among`` is its selector, or None."""

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, among: Mask | None = None
    ) -> Rows:
        """The candidates that faiss finds."""
        chosen, kept = selector(among)
        parameters = self.parameters(k, settings, chosen)
        wide = padded(queries, self.index.d)
        with threads_for(len(queries)):
            _, rows = self.faiss_search(wide, self.asked(k, settings), params=parameters)
        del kept, chosen  # faiss reads the mask's memory while it searches
        return np.asarray(rows, np.int64)

    @property
    def faiss_search(self) -> Any:
        """faiss's own search of the index, with its parameters."""
        # Libraries that load faiss's torch bindings (some metric learning ones do) replace it by
        # one that knows no parameters; what it was before has another name then.
        return getattr(self.index, "search_numpy", self.index.search)

    def asked(self, k: int, settings: Settings) -> int:
        """How many candidates faiss is asked for."""
        return k

    def save(self, folder: Path) -> None:
        """Write faiss's own file."""
        faiss.write_index(self.index, str(folder / FILE))

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Read faiss's own file, mapped where it can be."""
        path = folder / FILE
        flags = faiss.IO_FLAG_MMAP_IFC if mmap and cls.mappable else 0
        try:
            index = _read(str(path), flags)
        except (RuntimeError, MemoryError) as error:
            reason = str(error).splitlines()[0][:200]
            raise InputError(f"{path}: faiss cannot read it ({reason}); build it again") from None
        if index.ntotal != len(vectors):
            raise InputError(
                f"{path}: holds {index.ntotal} vectors, not {len(vectors)}; build it again"
            )
        chosen = cls.resolved(settings, *vectors.shape)
        if _structure(index) != _structure(cls.made(vectors, metric, chosen)):
            raise InputError(f"{path}: is no {cls.name} over these vectors; build it again")
        return cls(index, chosen, path.stat().st_size)

    @property
    def memory_bytes(self) -> int:
        """What faiss keeps, as large as its file."""
        return self._size


def selector(among: Mask | None) -> tuple[Any, Any]:
    """faiss's selector of the rows that may be found, and what must live as long as it."""
    if among is None:
        return None, None
    bits = np.packbits(among, bitorder="little")
    return faiss.IDSelectorBitmap(len(among), faiss.swig_ptr(bits)), bits


def ladder(least: int, most: int, step: float = 1.5) -> list[int]:
    """Whole numbers from ``least`` to ``most``, each about ``step`` times the one before."""
    least = max(1, least)
    if most <= least:
        return [least]
    count = max(1, round(math.log(most / least) / math.log(step)))
    return sorted({round(least * (most / least) ** (n / count)) for n in range(count + 1)})


def padded(vectors: Vectors, width: int) -> Vectors:
    """The vectors with zeros behind, which change no product and no distance."""
    missing = width - vectors.shape[1]
    return vectors if missing <= 0 else np.pad(vectors, ((0, 0), (0, missing)))


def _read(path: str, flags: int) -> Any:
    if flags:
        try:
            return faiss.read_index(path, flags)
        except RuntimeError:  # this kind of index cannot be mapped; then it is read
            pass
    return faiss.read_index(path)


def _structure(index: Any) -> tuple[Any, ...]:
    """What kind of index it is, of what dimension and metric, and those inside it."""
    whole = faiss.downcast_index(index)  # owns nothing: ``index`` must live as long
    inside = (getattr(whole, name, None) for name in INSIDE)
    return (
        type(whole).__name__.removesuffix("IP").removesuffix("L2"),  # as the metric says
        whole.d,
        whole.metric_type,
        *(_structure(part) for part in inside if part is not None),
    )


def _bytes_of(index: Any) -> int:
    total = 0

    def count(part: bytes) -> int:
        nonlocal total
        total += len(part)
        return len(part)

    faiss.write_index(index, faiss.PyCallbackIOWriter(count, 2**22))
    return total
