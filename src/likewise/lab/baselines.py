"""What recognised faces before learned embeddings: the numbers that a model must beat.

Everything is fitted on the training photos alone: a mean or an axis taken from the test photos
would be a leak.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline

__all__ = ["BASELINES", "eigenfaces", "fisherfaces", "less_mean_face", "raw_pixels"]

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def raw_pixels(train: Floats, labels: Labels, test: Floats) -> Floats:  # noqa: ARG001  # one form
    """The pixels themselves, [N,P]."""
    return test


def less_mean_face(train: Floats, labels: Labels, test: Floats) -> Floats:  # noqa: ARG001  # one form
    """Pixels less the mean training face, each photo then brought to mean 0 and deviation 1."""
    centred: Floats = test - train.mean(axis=0)
    centred = centred - centred.mean(axis=1, keepdims=True)
    unit: Floats = centred / centred.std(axis=1, keepdims=True).clip(1e-6)
    return unit


def eigenfaces(train: Floats, labels: Labels, test: Floats) -> Floats:  # noqa: ARG001  # one form
    """PCA to 95 % of the variance (Turk & Pentland, "Eigenfaces for Recognition", 1991)."""
    projected: Floats = PCA(n_components=0.95, svd_solver="full").fit(train).transform(test)
    return projected


def fisherfaces(train: Floats, labels: Labels, test: Floats) -> Floats:
    """PCA, then LDA (Belhumeur et al., "Eigenfaces vs. Fisherfaces", 1997).

    Of 60 axes, as many as did best on these faces: a baseline should be at its strongest.
    """
    axes = PCA(n_components=min(60, len(train) - 1), svd_solver="full")
    model = make_pipeline(axes, LinearDiscriminantAnalysis())
    projected: Floats = model.fit(train, labels).transform(test)
    return projected


BASELINES: dict[str, Callable[[Floats, Labels, Floats], Floats]] = {
    "raw pixels": raw_pixels,
    "raw pixels less the mean training face": less_mean_face,
    "eigenfaces (PCA)": eigenfaces,
    "fisherfaces (PCA + LDA)": fisherfaces,
}
