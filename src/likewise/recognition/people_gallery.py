"""A gallery in memory: the photos of each person, pooled into one vector or compared one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import one_of
from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.recognition.gallery import Candidate, Gallery
from likewise.recognition.open_set import open_set_threshold

__all__ = ["POOLINGS", "PeopleGallery"]

POOLINGS = ("mean", "best")


class PeopleGallery(Gallery):
    """People with their photos.

    With ``mean``, a person is the direction of the mean of their photos' vectors, and a stranger
    has one chance a person. With ``best``, the most similar photo counts, and a stranger has one
    chance a photo, so the threshold is higher. On LFW ``mean`` finds more (see
    docs/recognition.md).

    Poor photos of a person are left out if there are others.

    Args:
        vectors: float32 [N,D], one for each photo.
        people: the name of the person on each, N.
        photos: the name of each, N.
        embedder: which made the vectors: its measured thresholds and calibration.
        poor: which photos are poor; none by default.
        pooling: ``mean`` or ``best``.
        fpir, fmr, threshold: see ``open_set_threshold``.
        prior: see ``Gallery``.

    Raises:
        InputError: counts differ, or a vector is zero or not finite.

    Example:
        >>> import likewise
        >>> import numpy as np
        >>> from likewise.recognition.people_gallery import PeopleGallery
        >>> embedder = likewise.load(model)
        >>> vectors = embedder.embed([photo_a, photo_b])
        >>> people = PeopleGallery(vectors, ["anna", "anna"], ["0", "1"], embedder, threshold=0.5)
        >>> people.identify(vectors[:1])[0].name
        'anna'
    """

    def __init__(
        self,
        vectors: ArrayLike,
        people: Sequence[str],
        photos: Sequence[str],
        embedder: Embedder,
        *,
        poor: Sequence[bool] | None = None,
        pooling: str = "mean",
        fpir: float | None = None,
        fmr: float | None = None,
        threshold: float | None = None,
        prior: float = 0.5,
    ) -> None:
        one_of("pooling", pooling, POOLINGS)
        rows = np.asarray(vectors, np.float32)
        if rows.ndim != 2 or not len(rows) == len(people) == len(photos):
            raise InputError(
                f"gallery: {len(people)} people and {len(photos)} photos for vectors of shape "
                f"{list(rows.shape)}"
            )
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (np.isfinite(lengths).all() and lengths.all()):
            raise InputError("gallery: a vector is zero or not finite")
        bad = np.zeros(len(rows), bool) if poor is None else np.asarray(poor, bool)
        names, person = np.unique(np.asarray(people, object).astype(str), return_inverse=True)
        good = np.bincount(person, ~bad, len(names)) > 0
        kept = ~bad | ~good[person]
        order = np.argsort(person[kept], kind="stable")
        self._vectors = (rows / lengths)[kept][order]
        self._person = person[kept][order]
        self._photos = np.asarray(photos, object)[kept][order]
        self._names = [str(name) for name in names]
        self._poor = ~good
        self._first = np.searchsorted(self._person, np.arange(len(names) + 1))
        self._pooled = self._means() if pooling == "mean" else None
        comparisons = len(names) if pooling == "mean" else len(self._vectors)
        self._dimension = int(rows.shape[1])
        super().__init__(
            open_set_threshold(
                embedder.operating_points, comparisons, fpir=fpir, fmr=fmr, threshold=threshold
            ),
            embedder.calibration,
            prior,
        )

    @property
    def people(self) -> int:
        """The number of people."""
        return len(self._names)

    @property
    def names(self) -> list[str]:
        """The people, sorted."""
        return list(self._names)

    @property
    def dimension(self) -> int:
        """D, the numbers in a vector."""
        return self._dimension

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The score of each vector [N,D] with each person: [N,P], in the order of ``names``."""
        if self._pooled is not None:
            return np.asarray(vectors @ self._pooled.T)
        if not self._names:
            return np.zeros((len(vectors), 0), np.float32)
        return self._best(vectors @ self._vectors.T)

    def nearest(self, vectors: NDArray[np.float32], count: int) -> list[list[Candidate]]:
        """The most similar people of each vector [N,D]; see ``Gallery``."""
        if not self._names:
            return [[] for _ in vectors]
        single = vectors @ self._vectors.T
        scores = self._best(single) if self._pooled is None else vectors @ self._pooled.T
        count = min(count, len(self._names))
        found = []
        for row, one in enumerate(scores):
            top = np.argpartition(-one, count - 1)[:count]
            top = top[np.argsort(-one[top], kind="stable")]
            found.append([self._candidate(int(who), one[who], single[row]) for who in top])
        return found

    def _candidate(self, who: int, score: np.float32, single: NDArray[np.float32]) -> Candidate:
        own = slice(int(self._first[who]), int(self._first[who + 1]))
        photo = str(self._photos[own][int(np.argmax(single[own]))])
        return Candidate(self._names[who], float(np.clip(score, -1, 1)), photo,
                         bool(self._poor[who]))  # fmt: skip

    def _best(self, single: NDArray[np.float32]) -> NDArray[np.float32]:
        best: NDArray[np.float32] = np.maximum.reduceat(single, self._first[:-1], axis=1)
        return best

    def _means(self) -> NDArray[np.float32]:
        sums = np.zeros((len(self._names), self._vectors.shape[1]))
        np.add.at(sums, self._person, self._vectors)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        return np.asarray(sums / np.maximum(lengths, 1e-12), np.float32)
