"""The classic Mahalanobis distance: the inverse of the covariance of all the data."""

from __future__ import annotations

from typing import Self

from numpy.typing import ArrayLike

from likewise.metriclearn.checks import check_rows
from likewise.metriclearn.covariance import Shrinkage, inverse_root, shrunk
from likewise.metriclearn.linear_metric import LinearMetric

__all__ = ["InverseCovariance"]


class InverseCovariance(LinearMetric):
    """``M = S⁻¹`` with S the covariance of all rows: each direction counts in its own spread.

    No labels are used. After ``transform`` the training rows have the identity for covariance.

    Args:
        shrinkage: draws S towards a multiple of the identity, by this share from 0 to 1, or by
            Ledoit and Wolf's for ``"auto"``. Above 0 it also serves where S is singular.

    Raises:
        InputError: at ``fit``: S is singular and not shrunk.

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
        """Learn from rows ``X`` [N, D]; ``y`` is not looked at."""
        rows = check_rows(self, X, fit=True)
        self.mean_ = rows.mean(axis=0)
        centred = rows - self.mean_
        covariance = shrunk(centred.T @ centred / (len(rows) - 1), centred, self.shrinkage)
        self.components_ = inverse_root("covariance", covariance)
        return self
