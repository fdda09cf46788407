"""The exact nearest neighbors of many queries in a large gallery, in bounded memory.

The search package has an exact pass of its own, which returns the top k of four metrics as faiss
finds them. Here the scores of all pairs stream by, for any distance, since identification needs
the best score of each identity, and MegaFace needs thresholds over all scores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from likewise.arguments import check_count
from likewise.distances import Cosine, Distance
from likewise.errors import InputError
from likewise.evaluation.inputs import checked_own_rows, checked_sides
from likewise.evaluation.nearest.score_blocks import ScoreBlock, score_blocks, symmetric_blocks

__all__ = ["Neighbors", "TopK", "nearest", "top_others"]

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
LARGEST_ROW = 2**31 - 1  # the lower half of a key
ROWS = 256  # queries processed at one time, so that temporaries stay in the cache
CHUNK = 32  # scores that share one maximum
FEWEST_CHUNKS = 4  # chunk maxima pay off only in blocks with at least this many chunks times k


@dataclass(frozen=True)
class Neighbors:
    """The nearest rows of each query, most similar first; ties are broken by the lower row.

    Args:
        rows: int64 [Q, k], rows of the gallery.
        scores: float32 [Q, k], descending.
    """

    rows: Rows
    scores: NDArray[np.float32]


def nearest(
    queries: ArrayLike,
    gallery: ArrayLike,
    k: int,
    *,
    distance: Distance | None = None,
    own_rows: ArrayLike | None = None,
) -> Neighbors:
    """Find the ``k`` most similar rows of ``gallery`` for each query, by exact search.

    Time grows with Q·N, memory with Q·k: the score matrix is never in memory. Equal rows get
    bitwise equal scores.

    Args:
        queries: [Q, D], finite; for the cosine not zero.
        gallery: [N, D], likewise; may be memory-mapped.
        k: how many neighbors.
        distance: how to score; the cosine if None.
        own_rows: int64 [Q], the row of the gallery that is the query itself and is excluded, or
            -1. It is excluded by its row, not by a distance of 0, so duplicates of it remain.

    Returns:
        Scores and rows [Q, k'], with k' = min(k, N), or min(k, N - 1) with ``own_rows``.

    Raises:
        InputError: shapes that do not match, a row that is not finite or zero, k below 1, an
            own row that is not in the gallery.

    Example:
        >>> from likewise.evaluation.nearest.neighbors import nearest
        >>> vectors = [[1, 0], [3, 4], [0, 2]]
        >>> nearest(vectors, vectors, 1, own_rows=[0, 1, 2]).rows.tolist()
        [[1], [2], [1]]
    """
    distance = distance or Cosine()
    check_count("k", k)
    wanted, rows = checked_sides(queries, gallery, ("queries", "gallery"), distance)
    own = None if own_rows is None else checked_own_rows(own_rows, len(wanted), len(rows))
    most = len(rows) if own is None else len(rows) - 1
    if most == 0:
        raise InputError("gallery: has only one row, the query itself; add more rows")
    found = TopK(len(wanted), min(k, most))
    for block in score_blocks(wanted, rows, distance):
        if own is not None:
            _exclude(block, own)
        found.add(block)
    return found.neighbors()


def top_others(rows: Vectors, k: int, distance: Distance, *, rank: int = 0, count: int = 1) -> TopK:
    """Find the ``k`` most similar other rows of each row: half the work of ``nearest``.

    Each pair is scored once, for both of its rows. Memory holds N·k keys and one square block. Each
    process computes a part; merge them with ``TopK.merge``.

    Args:
        rows: [N, D], checked.
        k: below N.
        distance: how to score.
        rank: of this process.
        count: of processes.
    """
    found = TopK(len(rows), k)
    for block in symmetric_blocks(rows, distance, rank=rank, count=count):
        if block.queries == block.rows:
            block.scores.fill_diagonal_(-math.inf)
        found.add(block)
    return found


class TopK:
    """The ``k`` highest scores and their rows for each query, over all blocks added so far.

    Score and row are packed into one int64 key: the score in the upper half, the row, counted
    downwards, in the lower half. So the larger key has the higher score or, in a tie, the lower
    row.

    Args:
        queries: Q.
        k: how many to keep; at least as many rows must be added before the result is read.
    """

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.keys = torch.full((queries, k), torch.iinfo(torch.int64).min)

    @classmethod
    def of(cls, keys: Rows) -> TopK:
        """From the ``keys`` [Q, k] of another one."""
        found = cls(0, keys.shape[1])
        found.keys = torch.from_numpy(keys)
        return found

    def add(self, block: ScoreBlock[Tensor]) -> None:
        """Add the scores of one block."""
        keys = self.keys[block.queries]
        for start in range(0, len(keys), ROWS):
            found, scores = keys[start : start + ROWS], block.scores[start : start + ROWS]
            candidates = _candidates(scores, block.rows.start, found)
            keys[start : start + ROWS] = (
                torch.cat([found, candidates], dim=1).topk(self.k, dim=1).values
            )

    def merge(self, keys: Rows) -> None:
        """Add the ``keys`` [Q, k] of another one, which was given other blocks."""
        theirs = torch.from_numpy(keys)
        for start in range(0, len(keys), ROWS):
            some = slice(start, start + ROWS)
            both = torch.cat([self.keys[some], theirs[some]], dim=1)
            self.keys[some] = both.topk(self.k, dim=1).values

    def neighbors(self) -> Neighbors:
        """The rows and scores kept."""
        return Neighbors(self.rows().numpy(), self.scores().numpy())

    def rows(self) -> Tensor:
        """Rows int64 [Q, k], most similar first."""
        return LARGEST_ROW - (self.keys & 0xFFFFFFFF)

    def scores(self) -> Tensor:
        """Scores float32 [Q, k], descending."""
        return _flipped((self.keys >> 32).int()).view(torch.float32)


def _exclude(block: ScoreBlock[Tensor], own: Rows) -> None:
    """Set the score of each query with its own row to -inf."""
    mine = own[block.queries]
    inside = np.flatnonzero((mine >= block.rows.start) & (mine < block.rows.stop))
    block.scores[inside, mine[inside] - block.rows.start] = -math.inf


def _candidates(scores: Tensor, first_row: int, found: Tensor) -> Tensor:
    """Keys of ``scores`` [q, n] that are sure to include the best k of them.

    The best k of a block lie in the k chunks with the largest maxima (among equal maxima, in the
    first ones), since k scores precede all scores of any other chunk. Chunks whose maximum is
    below all of the k keys ``found`` so far, [q, k], are skipped too. So most scores are read only
    once, for a maximum, and few are sorted.
    """
    k, columns = found.shape[1], scores.shape[1]
    chunks = columns // CHUNK
    if chunks < FEWEST_CHUNKS * k:
        best = _keys(scores, torch.arange(first_row, first_row + columns))
        return best.topk(min(k, columns), dim=1).values
    whole = scores[:, : chunks * CHUNK].unflatten(1, (chunks, CHUNK))
    maxima = _keys(whole.amax(dim=2), torch.arange(chunks))
    most = int((maxima >= found[:, -1:] >> 32 << 32).sum(dim=1).max())
    best = maxima.topk(min(k, most), dim=1, sorted=False).values
    chosen = (LARGEST_ROW - (best & 0xFFFFFFFF)).unsqueeze(2)
    inside = whole.gather(1, chosen.expand(-1, -1, CHUNK))
    places = chosen * CHUNK + torch.arange(first_row, first_row + CHUNK)
    rest = torch.arange(first_row + chunks * CHUNK, first_row + columns)
    return torch.cat(
        [_keys(inside, places).flatten(1), _keys(scores[:, chunks * CHUNK :], rest)], dim=1
    )


def _keys(scores: Tensor, rows: Tensor) -> Tensor:
    """Score and row as one int64: see ``TopK``. Adding 0 turns -0 into 0."""
    keys = _flipped((scores + 0.0).view(torch.int32)).long()
    return keys.bitwise_left_shift_(32).add_(LARGEST_ROW - rows)


def _flipped(bits: Tensor) -> Tensor:
    """Map the bits of float32 to int32 of the same order; the function is its own inverse."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)
