"""Scores of many queries against a large gallery, tile by tile: never the whole matrix.

Equal rows score alike to the bit, wherever they lie, so that what ties is told by its row. A matrix
product does not see to that: the order in which it sums depends on the place in the matrix. So rows
that come more than once are multiplied in double precision, which leaves float32 nothing to round
in two ways; and so are all distances, for of whole numbers, equal ones then tie as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from likewise.distances import Cosine, Distance, Dot
from likewise.search.contents.row_hashes import repeated, row_hashes

__all__ = ["GALLERY_ROWS", "QUERY_ROWS", "Tile", "mutual_tiles", "score_tiles"]

Vectors = NDArray[np.float32]

# 64 MiB of scores: large enough for the matrix product to run at its full speed.
GALLERY_ROWS = 32_768
QUERY_ROWS = 512
MUTUAL_ROWS = 8_192  # of a square tile: 256 MiB
DOUBLE = 4_194_304  # scores in double precision at one time: 32 MiB


class Tile(NamedTuple):
    """The scores of some queries against some rows of the gallery.

    Args:
        queries: which queries.
        rows: which rows of the gallery; with an order, which places in it.
        scores: float32 [queries, rows], higher for more alike; valid until the next tile.
    """

    queries: slice
    rows: slice
    scores: Tensor


def score_tiles(
    queries: Vectors,
    gallery: Vectors,
    distance: Distance,
    *,
    order: NDArray[np.int64] | None = None,
    cuts: Sequence[int] = (),
) -> Iterator[Tile]:
    """Every query against every row, the gallery from its start to its end.

    The gallery is read from its start to its end, twice for products, so it may lie on disk. Beside
    the two matrices this takes a copy of the queries and a few tiles.

    Args:
        queries: float32 [Q, D].
        gallery: float32 [N, D].
        distance: how to score; see ``Distance.score_pairwise``.
        order: the rows of the gallery to take, in which order; all of them, as they lie, if None.
        cuts: places in the order at which a tile must end, ascending.

    Yields:
        For each block of gallery rows, the tiles of all queries.
    """
    if not len(queries):
        return
    # A cosine is the inner product of unit rows: those are made once, not once a tile.
    cosine = isinstance(distance, Cosine)
    wanted = np.array(queries, np.float32)
    if cosine:
        _normalize(wanted)
    count = len(gallery) if order is None else len(order)

    def block(rows: slice) -> Vectors:
        near = np.array(gallery[rows if order is None else order[rows]], np.float32)
        if cosine:
            _normalize(near)
        return near

    twins = np.zeros(count, bool)
    if isinstance(distance, Cosine | Dot):
        hashes = [row_hashes(block(rows)) for rows in _spans(count, GALLERY_ROWS)]
        twins = repeated(np.concatenate(hashes))
    buffer = torch.empty(min(QUERY_ROWS, len(queries)) * min(GALLERY_ROWS, count))
    with torch.no_grad():
        for rows in _spans(count, GALLERY_ROWS, cuts):
            near = block(rows)
            own = np.flatnonzero(twins[rows])
            for some in _spans(len(queries), QUERY_ROWS):
                scores = _scores(wanted[some], near, distance, buffer)
                _in_double(scores, wanted[some], near, distance, own)
                yield Tile(some, rows, scores)


def mutual_tiles(
    vectors: Vectors, distance: Distance, *, rank: int = 0, count: int = 1
) -> Iterator[Tile]:
    """Every row against every row, each pair computed once: half the work of ``score_tiles``.

    Takes a copy of the vectors. A tile off the diagonal comes twice, the second time transposed.
    The distance is symmetric, as all of them are. Process ``rank`` of ``count`` gets every
    ``count``-th tile.
    """
    wanted = np.array(vectors, np.float32)
    if isinstance(distance, Cosine):
        _normalize(wanted)
    twins = np.zeros(len(wanted), bool)
    if isinstance(distance, Cosine | Dot):
        twins = repeated(row_hashes(wanted))
    buffer = torch.empty(min(MUTUAL_ROWS, len(wanted)) ** 2)
    number = -1
    with torch.no_grad():
        for some in _spans(len(wanted), MUTUAL_ROWS):
            for rows in _spans(len(wanted), MUTUAL_ROWS):
                if rows.start < some.start:
                    continue
                number += 1
                if number % count != rank:
                    continue
                # A copy: of a matrix with itself NumPy makes half, and mirrors it slowly.
                scores = _scores(wanted[some], wanted[rows].copy(), distance, buffer)
                left, right = np.flatnonzero(twins[some]), np.flatnonzero(twins[rows])
                _in_double(scores, wanted[some], wanted[rows], distance, right)
                _in_double(scores.T, wanted[rows], wanted[some], distance, left)
                yield Tile(some, rows, scores)
                if rows != some:
                    yield Tile(rows, some, scores.T)


def _scores(wanted: Vectors, near: Vectors, distance: Distance, buffer: Tensor) -> Tensor:
    """Scores [q, n]; for the cosine of rows that are of unit length already."""
    scores = buffer[: len(wanted) * len(near)].view(len(wanted), len(near))
    if not isinstance(distance, Cosine | Dot):
        exact = near.astype(np.float64)
        for some in _spans(len(wanted), max(1, DOUBLE // len(near))):
            found = distance.score_pairwise(wanted[some].astype(np.float64), exact)
            scores[some] = torch.from_numpy(found)
        return scores
    # NumPy's BLAS: as fast as torch's on Intel, a fifth faster on AMD.
    np.matmul(wanted, near.T, out=scores.numpy())
    return scores.clamp_(-1.0, 1.0) if isinstance(distance, Cosine) else scores


def _in_double(
    scores: Tensor, wanted: Vectors, near: Vectors, distance: Distance, columns: NDArray[np.int64]
) -> None:
    """Put the products of some columns in again, summed in double precision."""
    if not len(columns):
        return
    exact = wanted.astype(np.float64)
    for some in _spans(len(columns), max(1, DOUBLE // len(wanted))):
        found = torch.from_numpy(exact @ near[columns[some]].astype(np.float64).T)
        if isinstance(distance, Cosine):
            found.clamp_(-1.0, 1.0)
        scores[:, torch.from_numpy(columns[some])] = found.float()


def _normalize(rows: Vectors) -> None:
    """Bring rows to unit length, in place."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    lengths[lengths == 0] = 1
    rows /= lengths[:, None]


def _spans(count: int, step: int, cuts: Sequence[int] = ()) -> Iterator[slice]:
    """Cut 0 … count into spans of at most ``step`` that also end at every cut."""
    start = 0
    for end in [*cuts, count]:
        while start < min(end, count):
            stop = min(start + step, end, count)
            yield slice(start, stop)
            start = stop
