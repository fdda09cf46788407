"""Within-class whitening, which has two names: RCA, and WCCN."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from likewise.errors import one_of
from likewise.metriclearn.checks import check_training
from likewise.metriclearn.covariance import Shrinkage, class_centred, inverse_root, shrunk
from likewise.metriclearn.linear_metric import LinearMetric

__all__ = ["WithinClassWhitening"]


class WithinClassWhitening(LinearMetric):
    """``M = W⁻¹`` with W the covariance within classes: what varies within a person counts less.

    Two fields found it, and differ in two choices only:

    * **RCA** (relevant component analysis) weighs samples alike,
      ``W = 1/N Σ_i (x_i - m)(x_i - m)ᵀ`` with m the mean of the sample's class, and goes on with
      the Euclidean distance. That is ``weighting="samples"``; of RCA's steps it is the whitening,
      without the reduction of dimensions that may come before it. Its chunklets are our classes.
    * **WCCN** (within-class covariance normalisation) weighs classes alike, ``W = 1/C Σ_c W_c``
      with W_c the covariance of class c, and goes on with the cosine. That is
      ``weighting="classes"``, and the cosine of what ``transform`` gives.

    Where every class has as many samples both are the same. The factor is the symmetric root
    ``W^(-1/2)``; WCCN's Cholesky factor is a rotation of it. Classes of one sample say nothing
    about W and are passed over.

    Args:
        weighting: ``"samples"`` or ``"classes"``.
        shrinkage: draws W towards a multiple of the identity, by this share from 0 to 1, or by
            Ledoit and Wolf's for ``"auto"``. Above 0 it also serves where W is singular.

    Raises:
        InputError: at ``fit``: W is singular and not shrunk; no class has two samples.

    Source: Bar-Hillel et al., Learning a Mahalanobis metric from equivalence constraints, JMLR
    2005; Hatch, Kajarekar & Stolcke, Within-class covariance normalization for SVM-based speaker
    recognition, Interspeech 2006.

    Example:
        >>> import numpy as np
        >>> from likewise.metriclearn import WithinClassWhitening
        >>> X = np.array([[0.0, 0.0], [2.0, 1.0], [9.0, 8.0], [11.0, 7.0]])
        >>> metric = WithinClassWhitening().fit(X, ["anna", "anna", "bob", "bob"])
        >>> metric.get_mahalanobis_matrix().round(6)
        array([[1., 0.],
               [0., 4.]])
    """

    def __init__(
        self,
        *,
        weighting: Literal["samples", "classes"] = "samples",
        shrinkage: Shrinkage = 0.0,
    ) -> None:
        self.weighting = weighting
        self.shrinkage = shrinkage

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from rows ``X`` [N, D] and their labels ``y`` [N]."""
        one_of("weighting", self.weighting, ("samples", "classes"))
        rows, classes = check_training(self, X, y)
        self.mean_ = rows.mean(axis=0)
        counts = np.bincount(classes)[classes]
        several = counts > 1
        centred = class_centred(rows, classes)[several]
        weights = np.ones(len(centred))
        if self.weighting == "classes":
            weights /= counts[several]
        within = (centred * (weights / weights.sum())[:, None]).T @ centred
        within = shrunk(within, centred, self.shrinkage)
        self.components_ = inverse_root("covariance within classes", within)
        return self
