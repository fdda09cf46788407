"""What a family of indexes must be able to do; the index around it does the rest.

An engine is a cache over vectors that others own. It is built once and never changed: what is
added, removed or updated later is the index's business, so that searching needs no lock. Vectors
and queries come to it in the frame that the index chose for them
(``likewise.search.contents.numeric_frame``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from likewise.errors import MissingExtra
from likewise.search.families.knobs import Knob, Settings

__all__ = ["Engine", "Ids", "Mask", "Rows", "Vectors"]

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Engine(ABC):
    """One family's structure over N vectors.

    What it finds are candidates: the index scores them again from the vectors, exactly and the
    same way for every family, and keeps the best.

    Attributes:
        name: the family's name, as users write it.
        extra: the pip extra that brings its library; None where the core has it.
        library: the module to import, where there is an extra.
        metrics: those of ``cosine``, ``dot``, ``euclidean``, ``manhattan`` that it can do. For
            cosine the vectors and the queries come with unit length.
        smallest: below so many vectors the index searches exactly and builds no engine.
        selects: ``nearest`` heeds ``among``; otherwise the index asks for more and sifts.
        walks: a search follows links from vector to vector, so that what no link leads to is lost;
            an index sees that its own vectors are found, and else searches exactly.
        scans: every search reads all the vectors, so they have to be in memory to be fast.
        build_knobs: what is fixed when it is built.
        search_knobs: what can change from search to search.
    """

    name: ClassVar[str]
    extra: ClassVar[str | None] = None
    library: ClassVar[str | None] = None
    metrics: ClassVar[tuple[str, ...]]
    smallest: ClassVar[int] = 1
    selects: ClassVar[bool] = False
    walks: ClassVar[bool] = False
    scans: ClassVar[bool] = False
    build_knobs: ClassVar[tuple[Knob, ...]] = ()
    search_knobs: ClassVar[tuple[Knob, ...]] = ()

    @classmethod
    def require(cls) -> None:
        """Import the library that the family needs.

        Raises:
            MissingExtra: it is not installed; says how to install it.
        """
        if cls.library is None:
            return
        try:
            import_module(cls.library)
        except ImportError as error:
            raise MissingExtra(f"the family {cls.name}", str(cls.extra)) from error

    @classmethod
    @abstractmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Build over float32 [N,D]; ``settings`` holds checked build knobs."""

    @abstractmethod
    def nearest(
        self, queries: Vectors, k: int, settings: Settings, among: Mask | None = None
    ) -> Rows:
        """The rows of the nearest of each query, int64 [Q,C], in any order.

        Args:
            queries: float32 [Q,D], contiguous.
            k: from 1 to N; C may be more (candidates for the exact scores to choose from).
            settings: checked search knobs.
            among: bool [N], the rows that may be found; only where ``selects``.

        Returns:
            -1 where a query found fewer.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what the vectors do not already hold into ``folder``, which exists."""

    @classmethod
    @abstractmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Read what ``save`` wrote.

        Args:
            vectors: float32 [N,D], as the index holds them: in no frame.

        Raises:
            InputError: the files are not those of an engine over these vectors.
        """

    @property
    @abstractmethod
    def memory_bytes(self) -> int:
        """Resident memory of the structure itself; vectors that it shares do not count."""

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Build settings worth trying for so many vectors, the cheapest to build first."""
        return [{}]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """Search settings in ascending effort, for an engine with these build settings."""
        return [{}]
