"""The classic Mahalanobis distance, with the inverse covariance of all data."""

from __future__ import annotations

from typing import Self

from numpy.typing import ArrayLike

from likewise.metriclearn.checks import check_rows
from likewise.metriclearn.covariance import Shrinkage, inverse_root, shrunk
from likewise.metriclearn.linear_metric import LinearMetric

__all__ = ["InverseCovariance"]


class InverseCovariance(LinearMetric):
    """``M = S⁻¹`` with the covariance S of all rows: directions are scaled to unit variance.

    Labels are not used. After ``transform`` the training rows have the identity as covariance.

    Args:
        shrinkage: shrinks S towards a multiple of the identity: a factor from 0 to 1, or
            ``"auto"`` for that of Ledoit and Wolf. Above 0, a singular S is allowed.

    Raises:
        InputError: at ``fit``: S is singular and there is no shrinkage.

    Source: Mahalanobis, On the generalised distance in statistics, 1936.

    Example:
        >>> import numpy as np
        >>> from likewise.metriclearn import InverseCovariance
        >>> X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
        >>> InverseCovariance().fit(X).get_mahalanobis_matrix().round(6)
        array([[1.5  , 0.   ],
               [0.   , 0.375]])
    """

    needs_labels = False

    def __init__(self, *, shrinkage: Shrinkage = 0.0) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:  # noqa: ARG002  # one form
        """Learn from rows ``X`` [N, D]; ``y`` is ignored."""
        rows = check_rows(self, X, fit=True)
        self.mean_ = rows.mean(axis=0)
        centred = rows - self.mean_
        covariance = shrunk(centred.T @ centred / (len(rows) - 1), centred, self.shrinkage)
        self.components_ = inverse_root("covariance", covariance)
        return self
