"""A scikit-learn transformer to a neighbors graph, for t-SNE, Isomap, HDBSCAN, UMAP."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from likewise.arguments import check_count, one_of
from likewise.errors import InputError
from likewise.search.engines.engine import Ids, Vectors
from likewise.search.index import Index
from likewise.search.tuning.target import Target
from likewise.search.tuning.tune import tuned_index

__all__ = ["KNeighborsTransformer"]

METRICS = ("cosine", "euclidean", "manhattan")
MODES = ("connectivity", "distance")


class KNeighborsTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The graph of nearest neighbors, computed by any index family.

    A drop-in replacement for ``sklearn.neighbors.KNeighborsTransformer``, with its conventions:
    distances (1 - cos for cosine), ascending in each row; in mode ``distance`` one neighbor more
    than asked for, since the first is the sample itself.

    Args:
        n_neighbors: k.
        mode: ``distance``, or ``connectivity`` for ones.
        metric: ``euclidean``, ``cosine``, or ``manhattan`` if the family supports it.
        family: of the index; if None, ``exact``, or chosen by the tuner if ``recall`` is given.
        recall: the recall@k that the index must reach; the tuner then chooses the family.
        settings: build parameters of the family, see ``Index.build``.
        seed: of the tuner.

    Attributes:
        index_: the index; except for cosine, of the samples minus their mean.
        n_samples_fit_: the number of samples.

    Example:
        >>> import numpy as np
        >>> from likewise.search.neighbors_transformer import KNeighborsTransformer
        >>> points = np.array([[0.0], [1.0], [3.0]])
        >>> KNeighborsTransformer(n_neighbors=1).fit_transform(points).toarray()
        array([[0., 1., 0.],
               [1., 0., 0.],
               [0., 2., 0.]])
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        mode: str = "distance",
        metric: str = "euclidean",
        family: str | None = None,
        recall: float | None = None,
        settings: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.mode = mode
        self.metric = metric
        self.family = family
        self.recall = recall
        self.settings = settings
        self.seed = seed

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002  # scikit-learn's
        """Index the samples [N,D].

        Raises:
            InputError: an unknown mode or metric, k below 1, both a family and a recall, or
                invalid vectors.
        """
        one_of("mode", self.mode, MODES)
        one_of("metric", self.metric, METRICS)
        check_count("n_neighbors", self.n_neighbors)
        if self.family is not None and self.recall is not None:
            raise InputError(
                "family, recall: give one of them; with a recall, the tuner chooses the family"
            )
        rows = validate_data(self, X, dtype=[np.float64, np.float32])
        # A shift changes no distance, and float32 is coarse far from zero: at the size of a Unix
        # time in seconds, its steps are two minutes.
        self._middle = None if self.metric == "cosine" else rows.mean(axis=0, dtype=np.float64)
        self._samples = self._shifted(rows)
        self.n_samples_fit_ = len(rows)
        self.index_ = self._built()
        return self

    def transform(self, X: ArrayLike) -> csr_matrix:
        """The nearest samples of each row: CSR [Q,N], float64.

        Raises:
            InputError: k is larger than the number of samples.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        distances, places = self._neighbors(self._shifted(rows))
        return self._graph(distances, places)

    def fit_transform(self, X: ArrayLike, y: object = None) -> csr_matrix:  # noqa: ARG002  # scikit-learn's
        """The nearest samples of each sample; the first is the sample itself, at a distance of 0.

        That also holds if an approximate index misses the sample, or finds a duplicate first.
        """
        self.fit(X)
        distances, places = self._neighbors(self._samples)
        own = np.arange(len(places))
        missed = ~(places == own[:, None]).any(axis=1)
        places[missed, -1] = own[missed]
        is_self = places == own[:, None]
        order = np.argsort(np.where(is_self, -1.0, distances), axis=1, kind="stable")
        distances[is_self] = 0.0
        return self._graph(
            np.take_along_axis(distances, order, axis=1), np.take_along_axis(places, order, axis=1)
        )

    def _shifted(self, rows: NDArray[np.floating]) -> Vectors:
        return np.ascontiguousarray(
            rows if self._middle is None else rows - self._middle, np.float32
        )

    @property
    def _n_features_out(self) -> int:
        return self.n_samples_fit_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_samples_fit_")

    def __getstate__(self) -> dict[str, Any]:
        # Structures of other libraries are not pickled; the index is built again.
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "index_"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "n_samples_fit_" in state:
            self.index_ = self._built()

    def _built(self) -> Index:
        if self.recall is not None:
            k = min(self._width(), self.n_samples_fit_)
            target = Target(self.recall, k=k)
            return tuned_index(self._samples, target=target, metric=self.metric, seed=self.seed)
        return Index.build(
            self._samples, family=self.family or "exact", settings=self.settings, metric=self.metric
        )

    def _width(self) -> int:
        return self.n_neighbors + (self.mode == "distance")

    def _neighbors(self, rows: Vectors) -> tuple[Any, Ids]:
        width = self._width()
        if width > self.n_samples_fit_:
            raise InputError(
                f"n_neighbors: Expected n_neighbors <= n_samples_fit, but n_neighbors = {width}, "
                f"n_samples_fit = {self.n_samples_fit_}"
            )
        scores, places = self.index_.search(rows, width)
        distances = -scores.astype(np.float64)
        if self.metric == "cosine":
            distances = np.maximum(1.0 + distances, 0.0)
        return np.abs(distances), places.copy()

    def _graph(self, distances: Any, places: Ids) -> csr_matrix:
        queries, width = places.shape
        values = np.ones_like(distances) if self.mode == "connectivity" else distances
        starts = np.arange(0, queries * width + 1, width)
        return csr_matrix(
            (values.ravel(), places.ravel(), starts), shape=(queries, self.n_samples_fit_)
        )
