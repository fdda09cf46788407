"""Joint Bayesian: the log-likelihood ratio of "same person" against "different people"."""

from __future__ import annotations

import warnings
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from likewise.arguments import check_count, check_number, one_of
from likewise.metriclearn.checks import check_pairs, check_training
from likewise.metriclearn.covariance import (
    Shrinkage,
    class_centred,
    class_means,
    inverse_root,
    shrunk,
)
from likewise.metriclearn.joint_bayesian_em import ClassStatistics, em_step, log_likelihood
from likewise.metriclearn.linear_metric import LinearMetric, blocks

__all__ = ["JointBayesian"]

Floats = NDArray[np.float64]


class JointBayesian(LinearMetric):
    """The model ``x = μ + ε`` of identity ``μ ~ N(0, S_μ)`` and variation ``ε ~ N(0, S_ε)``.

    The score of a pair is the log-likelihood ratio of "same person" against "different people":

        ``½(x₁ᵀAx₁ + x₂ᵀAx₂ - 2x₁ᵀGx₂) + constant``,
        ``G = -(2S_μ + S_ε)⁻¹ S_μ S_ε⁻¹``, ``A = (S_μ + S_ε)⁻¹ - (S_ε⁻¹ + G)``,

    with the training mean subtracted from x. With equal prior probabilities the threshold is 0.
    (The paper's r is twice this score, without the constant.)

    **The score is not a Mahalanobis distance.** With ``M = -G``, which is positive semi-definite,
    it is ``-½d²_M(x₁, x₂) + ½q(x₁) + ½q(x₂) + constant`` and ``q(x) = xᵀ(A - G)x``: faces far from
    the mean are rarer, so their similarity is stronger evidence. ``pair_distance``, ``transform``,
    ``get_mahalanobis_matrix``, ``to_distance`` and ``save`` use only d_M, which ranks
    pairs differently from ``score_pairs``.

    Args:
        updates: ``"exact"``, the EM algorithm, which converges to the maximum likelihood; or
            ``"paper"``, the update printed in the paper: the covariances of the expected μ and ε,
            without their posterior covariance. With small classes it is biased: S_μ is too small.
        shrinkage: shrinks the scatter within classes towards a multiple of the identity: a factor
            from 0 to 1, or ``"auto"`` for that of Ledoit and Wolf.
        max_iter: the most steps.
        tol: stop when both covariances change by less, relative to their norm.

    Attributes:
        between_covariance_: S_μ [D, D].
        within_covariance_: S_ε [D, D].
        A_, G_: the matrices of the score, [D, D].
        log_likelihood_: float64 [steps + 1], log-likelihood of the training data at the start and
            after each step; non-decreasing with ``"exact"``.
        n_iter_: number of steps.

    Raises:
        InputError: at ``fit``: the scatter within classes is singular and there is no shrinkage; an
            argument is out of range.

    Source: Chen et al., Bayesian face revisited: a joint formulation, ECCV 2012.

    Example:
        >>> import numpy as np
        >>> from likewise.metriclearn import JointBayesian
        >>> random = np.random.default_rng(0)
        >>> y = np.arange(60) // 3
        >>> X = 3 * random.normal(size=(20, 4))[y] + random.normal(size=(60, 4))
        >>> model = JointBayesian().fit(X, y)
        >>> bool(model.score_pairs(X[:1], X[1:2]) > 0 > model.score_pairs(X[:1], X[3:4]))
        True
    """

    def __init__(
        self,
        *,
        updates: Literal["exact", "paper"] = "exact",
        shrinkage: Shrinkage = 0.0,
        max_iter: int = 500,
        tol: float = 1e-5,
    ) -> None:
        self.updates = updates
        self.shrinkage = shrinkage
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from rows ``X`` [N, D] and their labels ``y`` [N]."""
        exact = one_of("updates", self.updates, ("exact", "paper")) == "exact"
        most_steps = check_count("max_iter", self.max_iter)
        tolerance = check_number("tol", self.tol, least=0)
        rows, classes = check_training(self, X, y)
        self.mean_ = rows.mean(axis=0)
        means, counts = class_means(rows, classes)
        centred = class_centred(rows, classes)
        scatter = shrunk(centred.T @ centred, centred[counts[classes] > 1], self.shrinkage)
        inverse_root("scatter within classes", scatter)  # raises if singular
        data = ClassStatistics(means - self.mean_, counts, scatter)
        # The share of S_ε is not subtracted: EM could never enlarge a zero variance of S_μ.
        between = data.means.T @ data.means / len(means)
        within = scatter / max(1, len(rows) - len(means))
        history = [log_likelihood(data, between, within)]
        for _ in range(most_steps):
            before = between, within
            between, within = em_step(data, between, within, exact=exact)
            history.append(log_likelihood(data, between, within))
            if _change(before[0], between) <= tolerance and _change(before[1], within) <= tolerance:
                break
        else:
            warnings.warn(
                f"JointBayesian: not converged after max_iter={most_steps} steps; raise it or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.between_covariance_, self.within_covariance_ = between, within
        self.log_likelihood_ = np.array(history)
        self.n_iter_ = len(history) - 1
        self._prepare()
        return self

    def _prepare(self) -> None:
        """Compute A, G and the factor of -G in the basis where S_ε = I and S_μ = diag(λ)."""
        ratios, basis = eigh(self.between_covariance_, self.within_covariance_)
        ratios, basis = ratios[::-1].clip(min=0), basis[:, ::-1]
        of_both = ratios / (1 + 2 * ratios)  # -G
        of_each = -(ratios**2) / ((1 + ratios) * (1 + 2 * ratios))  # A
        self.G_: Floats = -(basis * of_both) @ basis.T
        self.A_: Floats = (basis * of_each) @ basis.T
        self.components_ = np.sqrt(of_both)[:, None] * basis.T
        self._constant = float(np.log1p(ratios).sum() - np.log1p(2 * ratios).sum() / 2)

    def score_pairs(self, A: ArrayLike, B: ArrayLike | None = None) -> Floats:
        """The log-likelihood ratio of each pair, higher for more similar: float64 [N].

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
            x, y = first[part] - self.mean_, second[part] - self.mean_
            single = np.einsum("ij,ij->i", x @ self.A_, x) + np.einsum("ij,ij->i", y @ self.A_, y)
            cross = np.einsum("ij,ij->i", x @ self.G_, y)
            result[part] = single / 2 - cross + self._constant
        return result


def _change(before: Floats, after: Floats) -> float:
    size = float(np.linalg.norm(before))
    return float(np.linalg.norm(after - before)) / size if size else 0.0
