"""Large margin nearest neighbor (LMNN)."""

from __future__ import annotations

import warnings
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.metriclearn.checks import check_training
from likewise.metriclearn.linear_metric import LinearMetric
from likewise.metriclearn.lmnn_objective import lmnn_objective
from likewise.metriclearn.target_neighbors import target_neighbors

__all__ = ["LMNN"]

Floats = NDArray[np.float64]


class LMNN(LinearMetric):
    """Pulls near neighbors of the same class together and pushes other classes away by a margin.

    The objective is that of ``lmnn_objective``, minimized over the factor A by L-BFGS. In A the
    problem is not convex, but it can be of low rank and needs no projection onto positive
    semi-definite matrices. Target neighbors are the nearest samples of the same class in the input
    space, and stay fixed. All impostors are found again in every step, in blocks: time grows with
    N², memory does not.

    A class with fewer than k+1 samples has fewer target neighbors. A class with one sample has
    none; its sample only acts as an impostor for other classes.

    Args:
        n_neighbors: k, the number of target neighbors of each sample.
        n_components: r; None for D.
        push: μ, the weight of the push term, from 0 to 1; the pull term has the weight 1 - μ.
        init: ``"pca"``, the first r principal directions, scaled so that the mean squared distance
            of target neighbors is 1, equal to the margin; or a factor [r, D].
        max_iter: the most steps of L-BFGS.
        tol: stop when a step reduces the objective by less than this, relative to its value.

    Attributes:
        objective_: float64 [steps + 1], the objective at the start and after each step;
            decreasing.
        n_iter_: number of steps.

    Raises:
        InputError: at ``fit``: an argument out of range; no class has two samples.

    Source: Weinberger & Saul, Distance metric learning for large margin nearest neighbor
    classification, JMLR 2009.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from likewise.metriclearn import LMNN
        >>> X, y = load_iris(return_X_y=True)
        >>> metric = LMNN(n_components=2).fit(X, y)
        >>> bool(metric.objective_[-1] < 0.5 * metric.objective_[0])
        True
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 3,
        n_components: int | None = None,
        push: float = 0.5,
        init: Literal["pca"] | Floats = "pca",
        max_iter: int = 200,
        tol: float = 1e-6,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.n_components = n_components
        self.push = push
        self.init = init
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from rows ``X`` [N, D] and their labels ``y`` [N]."""
        rows, classes = check_training(self, X, y)
        push = check_number("push", self.push, least=0, most=1)
        most_steps = check_count("max_iter", self.max_iter)
        self.mean_ = rows.mean(axis=0)
        centred = rows - self.mean_
        targets = target_neighbors(centred, classes, check_count("n_neighbors", self.n_neighbors))
        start = self._initial_factor(centred, targets)

        def objective(flat: Floats) -> tuple[float, Floats]:
            value, gradient = lmnn_objective(
                flat.reshape(start.shape), centred, classes, targets, push
            )
            return value, gradient.ravel()

        history = [objective(start.ravel())[0]]
        found = minimize(
            objective,
            start.ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=lambda intermediate_result: history.append(float(intermediate_result.fun)),
            options={
                "maxiter": most_steps,
                "ftol": check_number("tol", self.tol, least=0),
                "gtol": 0.0,
            },
        )
        if found.nit >= most_steps:
            warnings.warn(
                f"LMNN: not converged after max_iter={most_steps} steps; raise it or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.components_ = found.x.reshape(start.shape)
        self.objective_ = np.array(history)
        self.n_iter_ = int(found.nit)
        return self

    def _initial_factor(self, centred: Floats, targets: NDArray[np.intp]) -> Floats:
        dimension = centred.shape[1]
        rank = dimension
        if self.n_components is not None:
            rank = check_count("n_components", self.n_components, most=dimension)
        if not isinstance(self.init, str):
            factor = np.asarray(self.init, np.float64)
            if factor.ndim != 2 or factor.shape[1] != dimension or not np.isfinite(factor).all():
                raise InputError(
                    f"init: shape {factor.shape}; must be a finite factor [r, {dimension}]"
                )
            if self.n_components is not None and len(factor) != rank:
                raise InputError(f"init: {len(factor)} rows, but n_components={rank}")
            return factor
        if self.init != "pca":
            raise InputError(f"init: {self.init!r}; must be 'pca', or a factor [r, {dimension}]")
        _, vectors = np.linalg.eigh(centred.T @ centred)
        factor = vectors[:, ::-1][:, :rank].T
        who, column = (targets >= 0).nonzero()
        mapped = centred @ factor.T
        square = float(np.mean((mapped[who] - mapped[targets[who, column]]) ** 2) * rank)
        return factor / np.sqrt(square) if square > 0 else factor
