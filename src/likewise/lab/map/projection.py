"""Projection of embeddings to two dimensions: PCA, t-SNE, UMAP."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from likewise.arguments import one_of
from likewise.errors import InputError, MissingExtra

__all__ = ["PROJECTIONS", "project"]

Floats = NDArray[np.float32]
PROJECTIONS = ("pca", "tsne", "umap")
PCA_DIMENSIONS = 50  # PCA to this many dimensions before t-SNE, as its authors do


def project(vectors: NDArray[np.float32], method: str = "tsne", *, seed: int = 0) -> Floats:
    """Project vectors to two dimensions, with similar vectors near each other.

    ``pca`` keeps the two directions of the largest variance; distances can only shrink. ``tsne``
    and ``umap`` preserve neighborhoods: the sizes of clusters and the distances between them have
    no meaning. Vectors are normalized to unit length first, so that the Euclidean distance gives
    the same order as the cosine.

    Args:
        vectors: float32 [N,D], finite.
        method: ``pca``, ``tsne`` (van der Maaten & Hinton, JMLR 2008) or ``umap`` (McInnes et al.,
            arXiv 1802.03426).
        seed: of the random number generator.

    Returns:
        float32 [N,2], each axis centred.

    Raises:
        InputError: an unknown method, or fewer than three vectors.
        MissingExtra: umap-learn is not installed.

    Example:
        >>> import numpy as np
        >>> from likewise.lab.map.projection import project
        >>> project(np.eye(5, 8, dtype=np.float32), "pca").shape
        (5, 2)
    """
    one_of("method", method, PROJECTIONS)
    if len(vectors) < 3:
        raise InputError(f"map: {len(vectors)} embeddings; must be at least 3")
    if vectors.shape[1] < 2:
        raise InputError("map: embeddings of dimension 1; must be of dimension 2 or more")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    points = {"pca": _pca, "tsne": _tsne, "umap": _umap}[method](unit, seed)
    return np.ascontiguousarray(points - points.mean(axis=0), np.float32)


def _pca(vectors: NDArray[np.float32], seed: int, axes: int = 2) -> Floats:
    from sklearn.decomposition import PCA

    solver = "full" if min(vectors.shape) <= 500 else "randomized"
    points: Floats = PCA(axes, svd_solver=solver, random_state=seed).fit_transform(vectors)
    # The sign of an axis is arbitrary; fix it, so that maps of similar data look similar.
    signed: Floats = points * np.where(np.abs(points.max(0)) < np.abs(points.min(0)), -1, 1)
    return signed


def _tsne(vectors: NDArray[np.float32], seed: int) -> Floats:
    from sklearn.manifold import TSNE

    axes = min(PCA_DIMENSIONS, *vectors.shape)
    reduced = _pca(vectors, seed, axes) if vectors.shape[1] > axes else vectors
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    points: Floats = TSNE(
        2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed
    ).fit_transform(reduced)
    return points


def _umap(vectors: NDArray[np.float32], seed: int) -> Floats:
    try:
        import umap
    except ImportError as error:
        raise MissingExtra("the projection umap", "umap") from error
    neighbors = min(15, len(vectors) - 1)
    points: Floats = umap.UMAP(n_neighbors=neighbors, random_state=seed).fit_transform(vectors)
    return points
