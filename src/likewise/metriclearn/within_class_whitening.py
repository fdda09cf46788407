"""Within-class whitening, known as RCA and as WCCN."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from likewise.arguments import one_of
from likewise.metriclearn.checks import check_training
from likewise.metriclearn.covariance import Shrinkage, class_centred, inverse_root, shrunk
from likewise.metriclearn.linear_metric import LinearMetric

__all__ = ["WithinClassWhitening"]


class WithinClassWhitening(LinearMetric):
    """``M = W⁻¹`` with the covariance W within classes: it reduces variation within a class.

    Two methods of the literature differ in two choices only:

    * **RCA** (relevant component analysis) gives all samples the same weight,
      ``W = 1/N Σ_i (x_i - m)(x_i - m)ᵀ`` with m the mean of the sample's class, and uses the
      Euclidean distance. This is ``weighting="samples"``: the whitening step of RCA, without its
      optional dimensionality reduction. RCA's chunklets are the classes.
    * **WCCN** (within-class covariance normalization) gives all classes the same weight,
      ``W = 1/C Σ_c W_c`` with W_c the covariance of class c, and uses the cosine. This is
      ``weighting="classes"``, and the cosine of the output of ``transform``.

    With classes of equal size, both give the same W. The factor is the symmetric root
    ``W^(-1/2)``; the Cholesky factor of WCCN is a rotation of it. Classes with one sample are
    ignored.

    Args:
        weighting: ``"samples"`` or ``"classes"``.
        shrinkage: shrinks W towards a multiple of the identity: a factor from 0 to 1, or
            ``"auto"`` for that of Ledoit and Wolf. Above 0, a singular W is allowed.

    Raises:
        InputError: at ``fit``: W is singular and there is no shrinkage; no class has two samples.

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
