"""The EM algorithm of Joint Bayesian: x = μ + ε with Gaussian identity μ and variation ε."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

__all__ = ["ClassStatistics", "em_step", "log_likelihood"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassStatistics:
    """The sufficient statistics of the data.

    Args:
        means: the mean of each class minus the mean of all, [C, D].
        counts: number of samples of each class, [C].
        scatter: ``Σ (x - its class's mean)(…)ᵀ`` [D, D].
    """

    means: Floats
    counts: NDArray[np.intp]
    scatter: Floats


def em_step(
    data: ClassStatistics, between: Floats, within: Floats, *, exact: bool
) -> tuple[Floats, Floats]:
    """One EM step: the posterior of each class's μ, then the new covariances.

    For a class with m samples of mean x̄, the posterior of μ is Gaussian with the covariance
    ``V = (S_μ⁻¹ + m·S_ε⁻¹)⁻¹`` and the mean ``μ̂ = m·V·S_ε⁻¹·x̄``, and ``ε̂_i = x_i - μ̂``. Then
    ``S_μ = mean(μ̂μ̂ᵀ + V)`` over classes and ``S_ε = mean(ε̂ε̂ᵀ + V)`` over samples.

    Args:
        data: the classes.
        between: S_μ [D, D].
        within: S_ε [D, D], positive definite.
        exact: exact EM, which never decreases the likelihood; if False, V is left out, as in the
            paper.

    Returns:
        The new S_μ and S_ε.
    """
    # In the basis where S_ε is the identity and S_μ = diag(λ), every V is diagonal.
    ratios, basis = _basis(between, within)
    back = within @ basis
    counts = data.counts[:, None]
    means = data.means @ basis
    spread = ratios / (1 + counts * ratios)  # the diagonal of V, [C, D]
    posterior = counts * spread * means
    rest = means - posterior
    new_between = posterior.T @ posterior
    new_within = basis.T @ data.scatter @ basis + (counts * rest).T @ rest
    if exact:
        new_between += np.diag(spread.sum(axis=0))
        new_within += np.diag((counts * spread).sum(axis=0))
    new_between /= len(means)
    new_within /= data.counts.sum()
    return _symmetric(back @ new_between @ back.T), _symmetric(back @ new_within @ back.T)


def log_likelihood(data: ClassStatistics, between: Floats, within: Floats) -> float:
    """The log density of all samples given S_μ and S_ε."""
    ratios, basis = _basis(between, within)
    counts = data.counts[:, None]
    means = data.means @ basis
    samples, dimension = data.counts.sum(), len(ratios)
    _, log_determinant = np.linalg.slogdet(within)
    total = samples * (dimension * np.log(2 * np.pi) + log_determinant)
    total += np.log1p(counts * ratios).sum() + np.einsum("ij,ij->", basis.T @ data.scatter, basis.T)
    total += (counts * means**2 / (1 + counts * ratios)).sum()
    return float(-total / 2)


def _basis(between: Floats, within: Floats) -> tuple[Floats, Floats]:
    ratios, basis = eigh(between, within)
    return ratios.clip(min=0), basis


def _symmetric(matrix: Floats) -> Floats:
    return (matrix + matrix.T) / 2
