"""Linear metrics learned on embeddings, with scikit-learn's interface.

Each learns a factor A from labeled vectors. The distance is ``‖A x - A y‖``, available elsewhere
in Likewise as ``mahalanobis:FILE.npy``.
"""

from __future__ import annotations

from likewise.metriclearn.inverse_covariance import InverseCovariance
from likewise.metriclearn.joint_bayesian import JointBayesian
from likewise.metriclearn.lda import LDA
from likewise.metriclearn.linear_metric import LinearMetric
from likewise.metriclearn.lmnn import LMNN
from likewise.metriclearn.nca import NCA
from likewise.metriclearn.within_class_whitening import WithinClassWhitening

__all__ = [
    "LDA",
    "LMNN",
    "NCA",
    "InverseCovariance",
    "JointBayesian",
    "LinearMetric",
    "WithinClassWhitening",
]
