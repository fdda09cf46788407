"""The interface of an index family: one class that builds, searches, saves and loads an engine.

An engine is a search structure over vectors that the index owns. It is built once and never
changed: the index itself handles vectors that are added, removed or updated later, so searches
need no lock. The index may shift and scale vectors and queries before the engine gets them
(``likewise.search.contents.rescaling``).
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
from likewise.search.engines.parameters import Parameter, Settings

__all__ = ["Engine", "Ids", "Mask", "Rows", "Vectors"]

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Engine(ABC):
    """One family's search structure over N vectors.

    An engine returns candidates. The index computes their exact scores from the vectors, in the
    same way for every family, and keeps the best.

    Attributes:
        name: the family's name, as users write it.
        extra: the pip extra that installs its library; None if the core package has it.
        library: the module to import, if there is an extra.
        metrics: the supported metrics, of ``cosine``, ``dot``, ``euclidean``, ``manhattan``. For
            cosine, vectors and queries have unit length.
        min_vectors: with fewer vectors the index builds no engine and searches exactly.
        takes_mask: ``nearest`` applies ``mask``; if not, the index asks for more candidates and
            filters them.
        is_graph: a search follows links between vectors, so it misses vectors that no link leads
            to. The index tests this after the build and falls back to exact search.
        exhaustive: every search reads all vectors, so they must be in memory to be fast.
        build_parameters: fixed when the engine is built.
        search_parameters: can differ from search to search.
    """

    name: ClassVar[str]
    extra: ClassVar[str | None] = None
    library: ClassVar[str | None] = None
    metrics: ClassVar[tuple[str, ...]]
    min_vectors: ClassVar[int] = 1
    takes_mask: ClassVar[bool] = False
    is_graph: ClassVar[bool] = False
    exhaustive: ClassVar[bool] = False
    build_parameters: ClassVar[tuple[Parameter, ...]] = ()
    search_parameters: ClassVar[tuple[Parameter, ...]] = ()

    @classmethod
    def require(cls) -> None:
        """Import the library that the family needs.

        Raises:
            MissingExtra: it is not installed; the message says how to install it.
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
        """Build over float32 [N,D]; ``settings`` are checked build parameters."""

    @abstractmethod
    def nearest(
        self, queries: Vectors, k: int, settings: Settings, mask: Mask | None = None
    ) -> Rows:
        """The rows of the nearest vectors of each query, int64 [Q,C], in any order.

        Args:
            queries: float32 [Q,D], contiguous.
            k: from 1 to N. C may be larger: more candidates for the exact scores to choose from.
            settings: checked search parameters.
            mask: bool [N], the rows that may be returned; given only if ``takes_mask``.

        Returns:
            -1 where fewer were found.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything that the vectors do not already hold into ``folder``, which exists."""

    @classmethod
    @abstractmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Read what ``save`` wrote.

        Args:
            folder: what was given to ``save``.
            vectors: float32 [N,D], as the index holds them: not shifted, not scaled.
            metric: as it was built.
            settings: as it was built.
            mmap: memory-map the files where possible.

        Raises:
            InputError: the files do not belong to an engine over these vectors.
        """

    @property
    @abstractmethod
    def memory_bytes(self) -> int:
        """Resident memory of the structure, without vectors that it shares with the index."""

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """The build settings that the tuner tries for ``count`` vectors, cheapest build first."""
        return [{}]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """The search settings that the tuner tries, from fastest to most thorough.

        Args:
            settings: the build settings.
            count: N.
            k: how many neighbors a search asks for.
        """
        return [{}]
