"""From many dimensions to two: PCA, t-SNE, UMAP."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError, MissingExtra, one_of

__all__ = ["METHODS", "lay_out"]

Floats = NDArray[np.float32]
METHODS = ("pca", "tsne", "umap")
BY_PCA = 50  # t-SNE begins from this many dimensions, as its authors do


def lay_out(vectors: NDArray[np.float32], method: str = "tsne", *, seed: int = 0) -> Floats:
    """Lay vectors out on a plane, alike ones near each other.

    ``pca`` keeps the two widest directions (a true projection: distances can only shrink);
    ``tsne`` and ``umap`` keep neighbourhoods, and neither the sizes of clusters nor the distances
    between them mean anything. Vectors are brought to unit length first, where the Euclidean
    distance orders as the cosine does.

    Args:
        vectors: float32 [N,D], finite.
        method: ``pca``, ``tsne`` (van der Maaten & Hinton, JMLR 2008) or ``umap`` (McInnes et al.,
            arXiv 1802.03426).
        seed: draws what is random.

    Returns:
        float32 [N,2], each axis centred.

    Raises:
        InputError: an unknown method, or fewer than three vectors.
        MissingExtra: umap-learn is not installed.

    Example:
        >>> import numpy as np
        >>> from likewise.lab.map.layout import lay_out
        >>> lay_out(np.eye(5, 8, dtype=np.float32), "pca").shape
        (5, 2)
    """
    one_of("method", method, METHODS)
    if len(vectors) < 3:
        raise InputError(f"map: {len(vectors)} embeddings; three or more make a map")
    if vectors.shape[1] < 2:
        raise InputError("map: embeddings of one number lie on a line; a map needs two or more")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    placed = {"pca": _pca, "tsne": _tsne, "umap": _umap}[method](unit, seed)
    return np.ascontiguousarray(placed - placed.mean(axis=0), np.float32)


def _pca(vectors: NDArray[np.float32], seed: int, axes: int = 2) -> Floats:
    from sklearn.decomposition import PCA

    solver = "full" if min(vectors.shape) <= 500 else "randomized"
    placed: Floats = PCA(axes, svd_solver=solver, random_state=seed).fit_transform(vectors)
    # An axis may come out either way round; the larger half decides, so that maps compare.
    turned: Floats = placed * np.where(np.abs(placed.max(0)) < np.abs(placed.min(0)), -1, 1)
    return turned


def _tsne(vectors: NDArray[np.float32], seed: int) -> Floats:
    from sklearn.manifold import TSNE

    axes = min(BY_PCA, *vectors.shape)
    start = _pca(vectors, seed, axes) if vectors.shape[1] > axes else vectors
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    placed: Floats = TSNE(
        2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed
    ).fit_transform(start)
    return placed


def _umap(vectors: NDArray[np.float32], seed: int) -> Floats:
    try:
        import umap
    except ImportError as error:
        raise MissingExtra("the method umap", "umap") from error
    neighbours = min(15, len(vectors) - 1)
    placed: Floats = umap.UMAP(n_neighbors=neighbours, random_state=seed).fit_transform(vectors)
    return placed
