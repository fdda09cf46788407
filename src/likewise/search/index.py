"""The index in this process: build, load, search, change and save, the same for every family."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from likewise.data.embeddings import EXTERNAL, require_same_embedder
from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError
from likewise.search.contents.build import build_base
from likewise.search.contents.contents import Contents
from likewise.search.contents.input_checks import checked_ids, checked_items, checked_vectors
from likewise.search.contents.read_only import ReadOnlyIndex
from likewise.search.contents.space import METRICS, require_metric, space_of
from likewise.search.contents.tables import Tables
from likewise.search.engines.engine import Vectors
from likewise.search.engines.parameters import checked_settings
from likewise.search.families import family_named
from likewise.search.storage.store import load, save

__all__ = ["METRICS", "Index", "checked_vectors"]

TUNING = ("recall", "mates", "k", "batch", "limits", "seed")  # arguments of earlier versions


@final
class Index(ReadOnlyIndex, Tables):
    """Finds the most similar of the vectors that it holds; a higher score is more similar.

    A *family* (see ``likewise.search.families``) builds a search structure over the vectors that
    finds candidates. Each candidate gets an exact score from its vector, in the same way for every
    family, so that a threshold can be used with any of them. Vectors added later are searched
    exactly until the engine is rebuilt, which happens in the background after enough changes.

    Threads may search while another one adds, removes or rebuilds: each search sees the index as
    it was at one moment.

    Make one with ``Index.build``, with ``Index.load``, or with ``tuned_index``
    (``likewise.search.tuning.tune``), which chooses family and settings.
    """

    @classmethod
    def build(
        cls,
        vectors: ArrayLike,
        ids: ArrayLike | None = None,
        *,
        family: str | None = None,
        settings: Mapping[str, object] | None = None,
        search_settings: Mapping[str, object] | None = None,
        metric: str | Mahalanobis = "cosine",
        fingerprint: str = EXTERNAL,
        items: Any = None,
        **options: object,
    ) -> Index:
        """Build an index of one family.

        Args:
            vectors: [N,D], finite; for cosine of any length but zero.
            ids: int64 [N], distinct; 0 … N-1 if None.
            family: a name in ``likewise.search.families.FAMILIES``; ``exact`` if None.
            settings: build parameters of the family; the others have their defaults.
            search_settings: search parameters, for searches that give none.
            metric: ``cosine``, ``dot``, ``euclidean``, ``manhattan``, ``mahalanobis:FILE.npy``
                (the matrix [D,D]), or a ``Mahalanobis`` distance. The score of a distance is its
                negative.
            fingerprint: the fingerprint of the embedder that made the vectors.
            items: N rows of metadata, one for each vector: a table, a DataFrame or a dictionary of
                columns.
            options: none; the arguments of the tuner, which this method once had, are refused.

        Raises:
            InputError: a vector is not finite or zero (names the row), an id occurs twice, counts
                differ, or the family has no such metric or parameter.
            MissingExtra: the family's library is not installed.

        Example:
            >>> import numpy as np
            >>> from likewise.search.index import Index
            >>> index = Index.build(np.eye(3), [10, 20, 30])
            >>> scores, ids = index.search([0, 1, 0.1], k=2)
            >>> ids.tolist()
            [[20, 30]]
        """
        for name in options:
            if name in TUNING:
                raise InputError(
                    f"{name}: Index.build does not tune; call tuned_index(vectors, recall=0.95) of "
                    "likewise.search.tuning.tune"
                )
            raise TypeError(f"Index.build() got an unexpected keyword argument {name!r}")
        family = family or "exact"
        kind = family_named(family)
        space = space_of(metric)
        require_metric(kind, space)
        chosen = checked_settings(family, kind.build_parameters, settings)
        searching = checked_settings(family, kind.search_parameters, search_settings)
        kind.require()
        prepared = space.prepare(vectors)
        count = len(prepared)
        numbers = checked_ids(np.arange(count) if ids is None else ids, count)
        table = checked_items(items, count)
        base = build_base(kind, space, chosen, prepared, numbers, table)
        return cls(Contents(kind, chosen, space, fingerprint, base), searching, {})

    # Files

    def save(self, folder: str | Path) -> Path:
        """Write the index; after a crash, the folder holds the old index or the new one.

        Rows removed since the engine was built stay in the files, marked as removed; see
        ``compact``. Saves into one folder, by threads or processes, wait for each other.

        Raises:
            LikewiseError: the folder cannot be written or the disk is full; the old index stays.
        """
        return save(Path(folder), self._contents, self._search_settings, self.evidence)

    def compact(self, folder: str | Path) -> int:
        """Save the index without any data of removed rows.

        ``save`` only marks removed rows, because the engine was built over them. If there are any,
        this rebuilds the engine first. Copies elsewhere, and data that the disk keeps of deleted
        files, are not affected.

        Returns:
            How many removed rows were still stored.

        Raises:
            LikewiseError: see ``save``.
        """
        removed = self._contents.snapshot.gone_count
        if removed:
            self._contents.rebuild()
        self.save(folder)
        return removed

    @staticmethod
    def load(
        folder: str | Path,
        *,
        mmap: bool = True,
        fingerprint: str | None = None,
        rebuild: bool = False,
    ) -> Index:
        """Load an index of any family.

        Args:
            folder: as given to ``save``.
            mmap: memory-map the vectors, and the engine's files where possible.
            fingerprint: of the embedder in use; an index of another embedder is refused.
            rebuild: ignore the engine's files and rebuild the engine from the vectors. The
                libraries that read these files trust them, and a manipulated file can crash the
                process or do worse: use it for indexes from sources that you do not trust.

        Raises:
            InputError: not an index, damaged, or made by another embedder.
            MissingExtra: the family's library is not installed.
        """
        index = Index(*load(Path(folder), mmap=mmap, rebuild=rebuild))
        if fingerprint is not None:
            require_same_embedder(fingerprint, index.fingerprint, str(folder))
        return index

    # Changes

    def add(self, vectors: ArrayLike, ids: ArrayLike, items: Any = None) -> None:
        """Add vectors under new ids; the next search finds them.

        Raises:
            InputError: see ``build``; or an id is already in the index.
        """
        self._contents.change(self._prepared_rows(vectors), ids, items, replace=False)

    def update(self, vectors: ArrayLike, ids: ArrayLike, items: Any = None) -> None:
        """Add vectors, and replace those with the same ids, in one step.

        Raises:
            InputError: see ``build``.
        """
        self._contents.change(self._prepared_rows(vectors), ids, items, replace=True)

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors by id and return how many were removed; unknown ids are ignored."""
        return self._contents.remove(ids)

    def rebuild(self, *, background: bool = False) -> threading.Thread | None:
        """Rebuild the engine over the current rows; searches continue meanwhile.

        Args:
            background: return at once, and swap in the new engine when it is ready. The index does
                this automatically once it is ``degraded``.

        Returns:
            The working thread, if in the background.
        """
        if background:
            return self._contents.rebuild_in_background()
        self._contents.rebuild()
        return None

    def wait(self) -> None:
        """Wait for a rebuild in the background, if there is one.

        Raises:
            LikewiseError: it failed; searches still use the old engine.
        """
        self._contents.wait()

    def _prepared_rows(self, vectors: ArrayLike) -> Vectors:
        rows = self._contents.space.prepare(vectors)
        if rows.shape[1] != self._contents.snapshot.base.vectors.shape[1]:
            raise InputError(f"vectors: have {rows.shape[1]} dimensions, not {self.dimension}")
        return rows
