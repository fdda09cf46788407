"""Scores of queries against a gallery, block by block: the whole score matrix is never in memory.

Equal rows get bitwise equal scores, wherever they lie, so that a tie is always broken by the row.
A matrix product alone does not ensure that, because its order of summation depends on the position
in the matrix. So rows that occur more than once are multiplied in double precision and then rounded
to float32. All other distances are computed in double precision, so that for vectors of whole
numbers equal distances tie as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from likewise.distances import Cosine, Distance, Dot
from likewise.search.contents.row_hashes import repeated, row_hashes

__all__ = ["GALLERY_ROWS", "QUERY_ROWS", "ScoreBlock", "score_blocks", "symmetric_blocks"]

Vectors = NDArray[np.float32]
Scores = TypeVar("Scores")

# 64 MiB of scores: large enough for the matrix product to run at its full speed.
GALLERY_ROWS = 32_768
QUERY_ROWS = 512
SYMMETRIC_ROWS = 8_192  # of a square block: 256 MiB
DOUBLE = 4_194_304  # scores in double precision at one time: 32 MiB


class ScoreBlock(NamedTuple, Generic[Scores]):
    """The scores of some queries against some rows of the gallery.

    Args:
        queries: which queries.
        rows: which rows of the gallery; with an order, which positions in that order.
        scores: [queries, rows], higher for more similar; valid until the next block.
    """

    queries: slice
    rows: slice
    scores: Scores


def score_blocks(
    queries: Vectors,
    gallery: Vectors,
    distance: Distance,
    *,
    order: NDArray[np.int64] | None = None,
    cuts: Sequence[int] = (),
) -> Iterator[ScoreBlock[Tensor]]:
    """Score every query against every row of the gallery.

    The gallery is read sequentially, twice for the cosine and the dot product, so it may be memory
    mapped. Beside the inputs, memory holds a copy of the queries and a few blocks.

    Args:
        queries: float32 [Q, D].
        gallery: float32 [N, D].
        distance: how to score; see ``Distance.score_pairwise``.
        order: the rows of the gallery to score, in this order; if None, all of them in their own.
        cuts: positions in the order at which a block must end, ascending.

    Yields:
        Blocks with float32 scores: for each span of the gallery, all queries.
    """
    if not len(queries):
        return
    # The cosine is the dot product of unit rows: normalize once, not once for each block.
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

    duplicated = np.zeros(count, bool)
    if isinstance(distance, Cosine | Dot):
        hashes = [row_hashes(block(rows)) for rows in _spans(count, GALLERY_ROWS)]
        duplicated = repeated(np.concatenate(hashes))
    buffer = torch.empty(min(QUERY_ROWS, len(queries)) * min(GALLERY_ROWS, count))
    with torch.no_grad():
        for rows in _spans(count, GALLERY_ROWS, cuts):
            near = block(rows)
            columns = np.flatnonzero(duplicated[rows])
            for some in _spans(len(queries), QUERY_ROWS):
                scores = _scores(wanted[some], near, distance, buffer)
                _rescore_in_double(scores, wanted[some], near, distance, columns)
                yield ScoreBlock(some, rows, scores)


def symmetric_blocks(
    vectors: Vectors, distance: Distance, *, rank: int = 0, count: int = 1
) -> Iterator[ScoreBlock[Tensor]]:
    """Score every row against every row, each pair once: half the work of ``score_blocks``.

    Copies the vectors. A block off the diagonal is yielded twice, the second time transposed,
    since every distance is symmetric. Rank ``rank`` of ``count`` processes gets every
    ``count``-th block.
    """
    wanted = np.array(vectors, np.float32)
    if isinstance(distance, Cosine):
        _normalize(wanted)
    duplicated = np.zeros(len(wanted), bool)
    if isinstance(distance, Cosine | Dot):
        duplicated = repeated(row_hashes(wanted))
    buffer = torch.empty(min(SYMMETRIC_ROWS, len(wanted)) ** 2)
    number = -1
    with torch.no_grad():
        for some in _spans(len(wanted), SYMMETRIC_ROWS):
            for rows in _spans(len(wanted), SYMMETRIC_ROWS):
                if rows.start < some.start:
                    continue
                number += 1
                if number % count != rank:
                    continue
                # Copied: for a matrix times its own transpose NumPy takes a slower path.
                scores = _scores(wanted[some], wanted[rows].copy(), distance, buffer)
                left, right = np.flatnonzero(duplicated[some]), np.flatnonzero(duplicated[rows])
                _rescore_in_double(scores, wanted[some], wanted[rows], distance, right)
                _rescore_in_double(scores.T, wanted[rows], wanted[some], distance, left)
                yield ScoreBlock(some, rows, scores)
                if rows != some:
                    yield ScoreBlock(rows, some, scores.T)


def _scores(wanted: Vectors, near: Vectors, distance: Distance, buffer: Tensor) -> Tensor:
    """Scores [q, n], written into the buffer; for the cosine, rows of unit length."""
    scores = buffer[: len(wanted) * len(near)].view(len(wanted), len(near))
    if not isinstance(distance, Cosine | Dot):
        exact = near.astype(np.float64)
        for some in _spans(len(wanted), max(1, DOUBLE // len(near))):
            found = distance.score_pairwise(wanted[some].astype(np.float64), exact)
            scores[some] = torch.from_numpy(found)
        return scores
    # With NumPy's BLAS: as fast as torch's on Intel, a fifth faster on AMD.
    np.matmul(wanted, near.T, out=scores.numpy())
    return scores.clamp_(-1.0, 1.0) if isinstance(distance, Cosine) else scores


def _rescore_in_double(
    scores: Tensor, wanted: Vectors, near: Vectors, distance: Distance, columns: NDArray[np.int64]
) -> None:
    """Replace the scores of some columns by dot products summed in double precision."""
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
    """Split 0 … count into spans of at most ``step`` that also end at every cut."""
    start = 0
    for end in [*cuts, count]:
        while start < min(end, count):
            stop = min(start + step, end, count)
            yield slice(start, stop)
            start = stop
