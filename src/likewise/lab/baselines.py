"""Baselines of face recognition before learned embeddings: pixels, eigenfaces, fisherfaces.

Each is fitted on the training photos only; statistics of the test photos would be leakage.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline

__all__ = ["BASELINES", "centered_pixels", "eigenfaces", "fisherfaces", "raw_pixels"]

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def raw_pixels(train: Floats, labels: Labels, test: Floats) -> Floats:  # noqa: ARG001  # one signature for all
    """The pixels themselves, [N,P]."""
    return test


def centered_pixels(train: Floats, labels: Labels, test: Floats) -> Floats:  # noqa: ARG001  # one signature for all
    """Pixels minus the mean training face; each photo then has mean 0 and standard deviation 1."""
    centered: Floats = test - train.mean(axis=0)
    centered = centered - centered.mean(axis=1, keepdims=True)
    unit: Floats = centered / centered.std(axis=1, keepdims=True).clip(1e-6)
    return unit


def eigenfaces(train: Floats, labels: Labels, test: Floats) -> Floats:  # noqa: ARG001  # one signature for all
    """PCA to 95 % of the variance (Turk & Pentland, "Eigenfaces for Recognition", 1991)."""
    projected: Floats = PCA(n_components=0.95, svd_solver="full").fit(train).transform(test)
    return projected


def fisherfaces(train: Floats, labels: Labels, test: Floats) -> Floats:
    """PCA, then LDA (Belhumeur et al., "Eigenfaces vs. Fisherfaces", 1997).

    PCA keeps 60 dimensions, which works best on these faces: a baseline should be strong.
    """
    pca = PCA(n_components=min(60, len(train) - 1), svd_solver="full")
    model = make_pipeline(pca, LinearDiscriminantAnalysis())
    projected: Floats = model.fit(train, labels).transform(test)
    return projected


BASELINES: dict[str, Callable[[Floats, Labels, Floats], Floats]] = {
    "raw pixels": raw_pixels,
    "raw pixels minus the mean training face": centered_pixels,
    "eigenfaces (PCA)": eigenfaces,
    "fisherfaces (PCA + LDA)": fisherfaces,
}
