"""Neighborhood components analysis (NCA) as a metric."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.neighbors import NeighborhoodComponentsAnalysis

from likewise.arguments import check_count, check_number, one_of
from likewise.errors import InputError
from likewise.metriclearn.checks import check_training
from likewise.metriclearn.linear_metric import LinearMetric

__all__ = ["NCA"]

Init = Literal["auto", "pca", "lda", "identity", "random"]
INITS = ("auto", "identity", "lda", "pca", "random")


class NCA(LinearMetric):
    """Maximizes the probability that a random near neighbor has the correct label.

    ``max_A Σ_i Σ_{j: y_j=y_i} p_ij`` with ``p_ij ∝ exp(-‖A x_i - A x_j‖²)`` and ``p_ii = 0``, by
    scikit-learn's ``NeighborhoodComponentsAnalysis``. It optimizes near neighbors, not all pairs:
    use it for recognition among known classes, not for verification. Time and memory grow with N².

    Args:
        n_components: r; None for D.
        init: the initial factor: ``auto``, ``pca``, ``lda``, ``identity`` or ``random``.
        max_iter: the most steps of L-BFGS.
        tol: stop when the objective changes by less.
        random_state: seeds ``init="random"``.
        max_samples: more rows than this are refused, because about four matrices of N² float64
            are needed (10,000 rows: 3 GiB).

    Attributes:
        n_iter_: number of steps.

    Raises:
        InputError: at ``fit``: more rows than ``max_samples``; no class has two samples.

    Source: Goldberger et al., Neighbourhood components analysis, NIPS 2004.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from likewise.metriclearn import NCA
        >>> X, y = load_iris(return_X_y=True)
        >>> NCA(n_components=2, max_iter=10).fit(X, y).transform(X).shape
        (150, 2)
    """

    def __init__(
        self,
        *,
        n_components: int | None = None,
        init: Init = "auto",
        max_iter: int = 50,
        tol: float = 1e-5,
        random_state: int | np.random.RandomState | None = None,
        max_samples: int = 10_000,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.max_samples = max_samples

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from rows ``X`` [N, D] and their labels ``y`` [N]."""
        rows, classes = check_training(self, X, y)
        if len(rows) > check_count("max_samples", self.max_samples):
            raise InputError(
                f"NCA: X: {len(rows):,} rows, more than max_samples={self.max_samples:,}; it "
                f"would take {4 * 8 * len(rows) ** 2 / 2**30:.0f} GiB; pass a part of the rows"
            )
        if self.n_components is not None:
            check_count("n_components", self.n_components, most=rows.shape[1])
        model = NeighborhoodComponentsAnalysis(
            n_components=self.n_components,
            init=one_of("init", self.init, INITS),
            max_iter=check_count("max_iter", self.max_iter),
            tol=check_number("tol", self.tol, least=0),
            random_state=self.random_state,
        )
        self.mean_ = rows.mean(axis=0)
        # Distances do not depend on a shift, but rounding does: fit on centered rows.
        model.fit(rows - self.mean_, classes)
        self.components_ = model.components_
        self.n_iter_: int = model.n_iter_
        return self
