"""A gallery in an index: each vector has an identity, and the nearest ones are searched."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.data.embeddings import require_same_embedder
from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.recognition.gallery import Candidate, Gallery
from likewise.recognition.open_set import open_set_threshold
from likewise.search.interface import SearchIndex

__all__ = ["IndexGallery"]

FIRST, MOST = 64, 4096  # neighbors searched: at first, and at most


class IndexGallery(Gallery):
    """The people of an index; the most similar photo of a person counts.

    A stranger has one chance a photo; the threshold follows from the size of the index.

    Args:
        index: of cosines, with the column ``identity`` in its items.
        embedder: in use: its measured thresholds and calibration.
        name: of the index, for messages.
        fpir, fmr, threshold: see ``open_set_threshold``.
        prior: see ``Gallery``.

    Raises:
        InputError: the index is of another embedder or another metric, or knows no identities.
    """

    def __init__(
        self,
        index: SearchIndex,
        embedder: Embedder,
        name: str,
        *,
        fpir: float | None = None,
        fmr: float | None = None,
        threshold: float | None = None,
        prior: float = 0.5,
    ) -> None:
        require_same_embedder(embedder.fingerprint, index.fingerprint, name)
        if index.metric != "cosine":
            raise InputError(f"{name}: an index of {index.metric}; a gallery needs cosine")
        items = index.items
        if items is None or "identity" not in items.column_names:
            raise InputError(
                f"{name}: its vectors have no identities; build it of photos in one subfolder per "
                "person"
            )
        self._index = index
        self._people = int(pc.count_distinct(items["identity"]).as_py())
        super().__init__(
            open_set_threshold(
                embedder.operating_points, len(index), fpir=fpir, fmr=fmr, threshold=threshold
            ),
            embedder.calibration,
            prior,
        )

    @property
    def people(self) -> int:
        """The number of people."""
        return self._people

    @property
    def dimension(self) -> int:
        """D, the numbers in a vector."""
        return self._index.dimension

    def nearest(self, vectors: NDArray[np.float32], count: int) -> list[list[Candidate]]:
        """The most similar people of each vector [N,D]; see ``Gallery``."""
        if not len(self._index):
            return [[] for _ in vectors]
        count, k = min(count, self._people), max(FIRST, 4 * count)
        while True:
            scores, ids = self._index.search(vectors, k)
            found = [self._people_of(*row) for row in zip(scores, ids, strict=True)]
            # Many photos of one person may fill the neighbors.
            enough = all(len(one) >= count for one in found)
            if enough or k >= min(MOST, len(self._index)):
                return [one[:count] for one in found]
            k *= 4

    def _people_of(self, scores: NDArray[np.float32], ids: NDArray[np.int64]) -> list[Candidate]:
        best: dict[str, Candidate] = {}
        for score, item in zip(scores, self._index.describe(ids), strict=True):
            name = str(item["identity"])
            if name not in best:
                photo = str(item.get("path", ""))
                best[name] = Candidate(name, float(np.clip(score, -1, 1)), photo)
        return list(best.values())
