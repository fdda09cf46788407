"""The base class of learned metrics: a linear map and its Mahalanobis distance."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from likewise.distances import Mahalanobis
from likewise.metriclearn.checks import check_pairs, check_rows
from likewise.storage import new_file

__all__ = ["BLOCK_BYTES", "LinearMetric", "blocks"]

Floats = NDArray[np.float64]
BLOCK_BYTES = 16 * 2**20
"""The most bytes of intermediate results computed at a time."""


class LinearMetric(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]  # scikit-learn has no type hints
    TransformerMixin,  # type: ignore[misc]  # likewise
    BaseEstimator,  # type: ignore[misc]  # likewise
    metaclass=ABCMeta,
):
    """A metric ``d(x, y) = ‖A x - A y‖`` whose factor A [r, D] is learned by ``fit``.

    It is the Mahalanobis distance of ``M = AᵀA``. Where r < D, M is singular and d a
    pseudometric: different vectors can have distance 0.

    A scikit-learn transformer, for use with ``clone``, ``Pipeline`` and ``GridSearchCV``. Computed
    in float64; ``transform`` returns float32 for float32.

    Attributes:
        components_: A, float64 [r, D].
        mean_: the mean of the training rows, float64 [D]. ``transform`` subtracts it, so that
            cosines in the new space are those of centered data. Distances do not depend on it.
    """

    components_: Floats
    mean_: Floats
    needs_labels = True

    @abstractmethod
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from rows ``X`` [N, D] and their labels ``y`` [N]."""

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Map ``X`` [N, D] to ``(X - mean_) Aᵀ`` [N, r], where the metric is Euclidean.

        Raises:
            InputError: rows that are not finite, or of another dimension than the training rows.
        """
        check_is_fitted(self)
        rows = check_rows(self, X)
        result = np.empty((len(rows), len(self.components_)), rows.dtype)
        for part in blocks(len(rows), 8 * rows.shape[1]):
            result[part] = (rows[part] - self.mean_) @ self.components_.T
        return result

    def pair_distance(self, A: ArrayLike, B: ArrayLike | None = None) -> Floats:
        """The distance of each pair: float64 [N].

        Args:
            A: [N, D], the first vector of each pair; or, without ``B``, the pairs [N, 2, D].
            B: [N, D], the second vector of each pair.

        Raises:
            InputError: not pairs, not finite, or of another dimension than the training rows.
        """
        check_is_fitted(self)
        first, second = check_pairs(self, A, B)
        result = np.empty(len(first))
        for part in blocks(len(first), 8 * first.shape[1]):
            difference = first[part].astype(np.float64) - second[part]
            result[part] = np.linalg.norm(difference @ self.components_.T, axis=1)
        return result

    def score_pairs(self, A: ArrayLike, B: ArrayLike | None = None) -> Floats:
        """The score of each pair, higher for more similar: the negated distance, float64 [N].

        Raises:
            InputError: see ``pair_distance``.
        """
        return -self.pair_distance(A, B)

    def get_mahalanobis_matrix(self) -> Floats:
        """M = AᵀA, float64 [D, D]: symmetric, positive semi-definite."""
        check_is_fitted(self)
        matrix: Floats = self.components_.T @ self.components_
        return (matrix + matrix.T) / 2

    def to_distance(self) -> Mahalanobis:
        """The distance for use in losses, evaluation and search."""
        check_is_fitted(self)
        return Mahalanobis(factor=self.components_.copy())

    def save(self, path: str | Path) -> None:
        """Write M as a file for the distance ``mahalanobis:FILE.npy``.

        Raises:
            LikewiseError: the file cannot be written.
        """
        matrix = self.get_mahalanobis_matrix()
        with new_file(Path(path)) as temporary, temporary.open("wb") as stream:
            np.save(stream, matrix, allow_pickle=False)

    @property
    def _n_features_out(self) -> int:
        """The number of names for scikit-learn's ``get_feature_names_out``."""
        return len(self.components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.needs_labels
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def blocks(rows: int, bytes_per_row: int) -> Iterator[slice]:
    """Split ``rows`` into slices of at most ``BLOCK_BYTES``, but at least one row."""
    step = max(1, BLOCK_BYTES // max(1, bytes_per_row))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
