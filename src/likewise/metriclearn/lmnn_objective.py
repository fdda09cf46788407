"""The objective of LMNN and its gradient, computed in blocks of bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from likewise.metriclearn.linear_metric import blocks

__all__ = ["lmnn_objective"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def lmnn_objective(
    components: Floats, X: Floats, classes: Places, targets: Places, push: float
) -> tuple[float, Floats]:
    """The sum of a pull term for target neighbors and a push term for impostors.

    ``(1-μ) Σ_{i,j} d²(i,j) + μ Σ_{i,j} Σ_{l: y_l≠y_i} [1 + d²(i,j) - d²(i,l)]₊`` over the target
    neighbors j of i, with ``d²(i,j) = ‖A(x_i - x_j)‖²``. All impostors are counted.
    Where the hinge is not differentiable, its subgradient 0 is used.

    Args:
        components: A [r, D].
        X: [N, D].
        classes: [N].
        targets: [N, k], the rows of the target neighbors; -1 for none.
        push: μ, from 0 to 1.

    Returns:
        The objective, and its gradient [r, D].

    Source: Weinberger & Saul, Distance metric learning for large margin nearest neighbor
    classification, JMLR 2009, equation 13.
    """
    Y = X @ components.T
    squares = np.einsum("ij,ij->i", Y, Y)
    value = 0.0
    # Σ w_ab ‖y_a - y_b‖² has the gradient 2(R + C - w - wᵀ)Y with the diagonal matrices R and C
    # of the row and column sums of w.
    degree, pulled = np.zeros(len(Y)), np.zeros_like(Y)
    for rows in blocks(len(Y), 8 * len(Y)):
        to_target = _to_targets(Y, rows, targets[rows])
        who, impostor, distance = _impostors(Y, squares, classes, rows, to_target)
        hinge = 1 + to_target[who] - distance[:, None]  # [impostor pairs, k]
        active = hinge > 0
        has_target = targets[rows] >= 0
        value += (1 - push) * to_target[has_target].sum() + push * hinge[active].sum()
        pulls = [np.bincount(who, weights=column, minlength=len(to_target)) for column in active.T]
        on_target = ((1 - push) + push * np.stack(pulls, axis=1))[has_target]
        weights = csr_array(
            (
                np.concatenate([on_target, -push * active.sum(axis=1)]),
                (
                    np.concatenate([np.nonzero(has_target)[0], who]),
                    np.concatenate([targets[rows][has_target], impostor]),
                ),
            ),
            shape=(len(to_target), len(Y)),
        )
        degree[rows] += weights.sum(axis=1)
        degree += weights.sum(axis=0)
        pulled[rows] += weights @ Y
        pulled += weights.T @ Y[rows]
    gradient: Floats = 2 * (degree[:, None] * Y - pulled).T @ X
    return float(value), gradient


def _to_targets(Y: Floats, rows: slice, targets: Places) -> Floats:
    """Squared distances to the target neighbors [n, k]; -inf (no active hinge) for none."""
    result = np.full(targets.shape, -np.inf)
    for column, near in enumerate(targets.T):
        there = near >= 0
        difference = Y[rows][there] - Y[near[there]]
        result[there, column] = np.einsum("ij,ij->i", difference, difference)
    return result


def _impostors(
    Y: Floats, squares: Floats, classes: Places, rows: slice, to_target: Floats
) -> tuple[Places, Places, Floats]:
    """Pairs (row in the block, impostor) nearer than the farthest target plus the margin."""
    distances = Y[rows] @ Y.T
    distances *= -2
    distances += squares[rows, None]
    distances += squares
    reach = 1 + to_target.max(axis=1)
    within = distances < reach[:, None]
    within &= classes[rows, None] != classes
    who, impostor = within.nonzero()
    return who, impostor, distances[who, impostor].clip(min=0)
