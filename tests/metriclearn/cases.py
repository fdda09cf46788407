"""Every metric, fast to fit, and data of known Gaussian classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from likewise.metriclearn import (
    LDA,
    LMNN,
    NCA,
    InverseCovariance,
    JointBayesian,
    LinearMetric,
    WithinClassWhitening,
)

Floats = NDArray[np.float64]

METRICS: dict[str, LinearMetric] = {
    "inverse covariance": InverseCovariance(),
    "inverse covariance, shrunk": InverseCovariance(shrinkage="auto"),
    "RCA": WithinClassWhitening(),
    "WCCN": WithinClassWhitening(weighting="classes", shrinkage=0.1),
    "LDA": LDA(),
    "LDA, shrunk, to 2": LDA(n_components=2, shrinkage="auto"),
    "NCA": NCA(max_iter=10, init="identity"),
    "NCA, to 2": NCA(n_components=2, max_iter=10),
    "LMNN": LMNN(max_iter=15),
    "LMNN, to 2": LMNN(n_components=2, max_iter=15),
    "Joint Bayesian": JointBayesian(),
    "Joint Bayesian, paper": JointBayesian(updates="paper", max_iter=10),
}


def gaussian_classes(
    classes: int, each: int, dimension: int, seed: int = 0
) -> tuple[Floats, NDArray[np.int64]]:
    """Classes around their centres, with a different spread in every direction."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    mix = random.normal(size=(dimension, dimension))
    centres = 2 * random.normal(size=(classes, dimension))
    return centres[labels] + random.normal(size=(len(labels), dimension)) @ mix, labels


def numeric_gradient(function, at: Floats, step: float = 1e-6) -> Floats:
    """Central differences of a scalar function of an array."""
    gradient = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        ahead, behind = at.copy(), at.copy()
        ahead[place] += step
        behind[place] -= step
        gradient[place] = (function(ahead) - function(behind)) / (2 * step)
    return gradient
