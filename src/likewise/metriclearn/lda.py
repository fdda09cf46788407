"""Linear discriminant analysis (LDA) as a metric."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.metriclearn.checks import check_training
from likewise.metriclearn.covariance import Shrinkage
from likewise.metriclearn.linear_metric import LinearMetric

__all__ = ["LDA"]


class LDA(LinearMetric):
    """Within-class whitening, reduced to the directions in which the classes differ most.

    By scikit-learn's ``LinearDiscriminantAnalysis``; the distance is Euclidean in its output space.
    M has rank at most C-1, so with C ≤ D it is a pseudometric. Without shrinkage, directions
    without variance within classes are dropped.

    Args:
        n_components: number of directions, at most min(C-1, D), which is also the default.
        shrinkage: shrinks the covariance within classes towards a diagonal matrix: a factor from
            0 to 1, or ``"auto"`` for that of Ledoit and Wolf (on standardized columns).

    Raises:
        InputError: at ``fit``: ``n_components`` too large; no class has two samples.

    Source: Fisher, The use of multiple measurements in taxonomic problems, 1936; Rao, 1948.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from likewise.metriclearn import LDA
        >>> X, y = load_iris(return_X_y=True)
        >>> LDA().fit(X, y).transform(X).shape
        (150, 2)
    """

    def __init__(self, *, n_components: int | None = None, shrinkage: Shrinkage = 0.0) -> None:
        self.n_components = n_components
        self.shrinkage = shrinkage

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from rows ``X`` [N, D] and their labels ``y`` [N]."""
        rows, classes = check_training(self, X, y)
        if self.shrinkage != "auto":
            check_number("shrinkage", self.shrinkage, least=0, most=1)
        if self.n_components is not None:
            most = min(int(classes.max()), rows.shape[1])  # classes count from 0: C-1
            check_count("n_components", self.n_components, most=most)
        model = (
            LinearDiscriminantAnalysis(n_components=self.n_components)
            if self.shrinkage == 0
            else LinearDiscriminantAnalysis(
                solver="eigen", shrinkage=self.shrinkage, n_components=self.n_components
            )
        )
        try:
            model.fit(rows, classes)
        except np.linalg.LinAlgError:
            raise InputError(
                "LDA: X: the covariance within classes is singular, even when shrunk; "
                "raise shrinkage, or drop columns that are constant within classes"
            ) from None
        self.mean_ = rows.mean(axis=0)
        # Only as many directions as scikit-learn outputs: it determines the rank of the data.
        rank = model.transform(rows[:1]).shape[1]
        self.components_ = model.scalings_[:, :rank].T.copy()
        return self
