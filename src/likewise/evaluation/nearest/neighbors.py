"""The exact nearest neighbours of many queries in a large gallery, in bounded memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from likewise.distances import Cosine, Distance
from likewise.errors import InputError
from likewise.evaluation.labelled import checked_rows, require_same_dimension
from likewise.evaluation.nearest.tiles import Tile, mutual_tiles, score_tiles

__all__ = ["NearestSoFar", "Neighbors", "nearest", "nearest_others", "others_so_far"]

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
LARGEST_ROW = 2**31 - 1  # the lower half of a key
ROWS = 256  # queries sorted at one time: what is made on the way stays in the cache
CHUNK = 32  # elements under one maximum
FEWEST_CHUNKS = 4  # so many times k chunks must a tile have for a look at their maxima to pay


@dataclass(frozen=True)
class Neighbors:
    """The nearest rows of each query, the most alike first; of equal scores the lower row.

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
    """Find the ``k`` most alike rows of ``gallery`` for each query, comparing with all of them.

    The matrix of scores is never held: time grows with Q·N, memory with Q·k. Rows that are equal
    score alike to the bit.

    Args:
        queries: [Q, D], finite; for the cosine not zero.
        gallery: [N, D], likewise; may be memory-mapped.
        k: how many.
        distance: how to score; the cosine if None.
        own_rows: int64 [Q], the row of the gallery that is the query itself and is left out, or
            -1; left out by its row, not by a distance of 0, so that a duplicate stays.

    Returns:
        Scores and rows [Q, k'], with k' = min(k, N), or min(k, N - 1) where rows are left out.

    Raises:
        InputError: shapes that do not fit, a row that is not finite or zero, k below 1, an own
            row that the gallery lacks.

    Example:
        >>> from likewise.evaluation.nearest.neighbors import nearest
        >>> vectors = [[1, 0], [3, 4], [0, 2]]
        >>> nearest(vectors, vectors, 1, own_rows=[0, 1, 2]).rows.tolist()
        [[1], [2], [1]]
    """
    distance = distance or Cosine()
    directions = isinstance(distance, Cosine)
    wanted = checked_rows(queries, "queries", zero_allowed=not directions)
    rows = checked_rows(gallery, "gallery", zero_allowed=not directions)
    require_same_dimension(wanted, rows, "queries, gallery")
    own = _own_rows(own_rows, len(wanted), len(rows))
    most = len(rows) if own is None else len(rows) - 1
    if k < 1 or most == 0:
        raise InputError(f"k: {k} of {most} rows to choose among; both must be at least 1")
    found = NearestSoFar(len(wanted), min(k, most))
    for tile in score_tiles(wanted, rows, distance):
        if own is not None:
            leave_out(tile, own)
        found.add(tile)
    return found.neighbors()


def nearest_others(vectors: ArrayLike, k: int, *, distance: Distance | None = None) -> Neighbors:
    """Find the ``k`` most alike other rows of each row: half the work of ``nearest``.

    Each pair is scored once, for both of its rows. Memory holds N·k and one square tile.

    Args:
        vectors: [N, D], finite; for the cosine not zero.
        k: how many.
        distance: how to score; the cosine if None.

    Returns:
        Scores and rows [N, min(k, N - 1)].

    Raises:
        InputError: a row that is not finite or zero, one row only, k below 1.

    Example:
        >>> from likewise.evaluation.nearest.neighbors import nearest_others
        >>> nearest_others([[1, 0], [3, 4], [0, 2]], 1).rows.tolist()
        [[1], [2], [1]]
    """
    distance = distance or Cosine()
    rows = checked_rows(vectors, "vectors", zero_allowed=not isinstance(distance, Cosine))
    if k < 1 or len(rows) == 1:
        raise InputError(f"k: {k} of {len(rows) - 1} rows to choose among; both must be at least 1")
    return others_so_far(rows, min(k, len(rows) - 1), distance).neighbors()


def others_so_far(
    rows: Vectors, k: int, distance: Distance, *, rank: int = 0, count: int = 1
) -> NearestSoFar:
    """What process ``rank`` of ``count`` finds for ``nearest_others``; joined, it is all.

    Args:
        rows: [N, D], checked.
        k: below N.
        distance: how to score.
        rank: which process this is.
        count: how many there are.
    """
    found = NearestSoFar(len(rows), k)
    for tile in mutual_tiles(rows, distance, rank=rank, count=count):
        if tile.queries == tile.rows:
            tile.scores.fill_diagonal_(-math.inf)
        found.add(tile)
    return found


class NearestSoFar:
    """The best ``k`` of all tiles seen so far, for each query.

    Score and row are kept as one integer, the score in its upper half and the row, counted
    downwards, in its lower: the larger key is the more alike, or of two that tie the lower row.

    Args:
        queries: Q.
        k: how many are kept; as many rows must have been seen before they are read.
    """

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.keys = torch.full((queries, k), torch.iinfo(torch.int64).min)

    @classmethod
    def of(cls, keys: Rows) -> NearestSoFar:
        """What has been kept of some tiles already, its ``keys`` [Q, k]."""
        found = cls(0, keys.shape[1])
        found.keys = torch.from_numpy(keys)
        return found

    def add(self, tile: Tile) -> None:
        """Take the scores of one tile into account."""
        keys = self.keys[tile.queries]
        for start in range(0, len(keys), ROWS):
            found, scores = keys[start : start + ROWS], tile.scores[start : start + ROWS]
            candidates = _candidates(scores, tile.rows.start, found)
            keys[start : start + ROWS] = (
                torch.cat([found, candidates], dim=1).topk(self.k, dim=1).values
            )

    def join(self, keys: Rows) -> None:
        """Take into account what another has kept of other tiles, its ``keys`` [Q, k]."""
        theirs = torch.from_numpy(keys)
        for start in range(0, len(keys), ROWS):
            some = slice(start, start + ROWS)
            both = torch.cat([self.keys[some], theirs[some]], dim=1)
            self.keys[some] = both.topk(self.k, dim=1).values

    def neighbors(self) -> Neighbors:
        """What has been found."""
        return Neighbors(self.rows().numpy(), self.scores().numpy())

    def rows(self) -> Tensor:
        """Rows int64 [Q, k], the most alike first."""
        return LARGEST_ROW - (self.keys & 0xFFFFFFFF)

    def scores(self) -> Tensor:
        """Scores float32 [Q, k], descending."""
        return _flipped((self.keys >> 32).int()).view(torch.float32)


def leave_out(tile: Tile, own: Rows) -> None:
    """Give each query's own row the lowest score there is."""
    mine = own[tile.queries]
    inside = np.flatnonzero((mine >= tile.rows.start) & (mine < tile.rows.stop))
    tile.scores[inside, mine[inside] - tile.rows.start] = -math.inf


def _candidates(scores: Tensor, first_row: int, found: Tensor) -> Tensor:
    """Keys of ``scores`` [q, n] among which all are that belong to the best k.

    Of one tile, these lie in the k chunks with the largest maxima (of chunks that tie, the first
    ones): any other chunk has k elements ahead of all of its own. Nor do chunks matter that reach
    none of the k ``found`` so far, [q, k]. So the many scores are looked at once, by a maximum,
    and few are sorted.
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
    """One int64 for score and row: see ``NearestSoFar``. Adding 0 turns -0 into 0."""
    keys = _flipped((scores + 0.0).view(torch.int32)).long()
    return keys.bitwise_left_shift_(32).add_(LARGEST_ROW - rows)


def _flipped(bits: Tensor) -> Tensor:
    """The bits of float32 as int32 in the order of the floats, and back: its own inverse."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _own_rows(own_rows: ArrayLike | None, queries: int, gallery: int) -> Rows | None:
    if own_rows is None:
        return None
    own = np.asarray(own_rows)
    if own.shape != (queries,) or own.dtype.kind not in "iu":
        raise InputError(f"own_rows: {own.dtype} {list(own.shape)} for {queries} queries")
    if len(own) and not (own.min() >= -1 and own.max() < gallery):
        raise InputError(f"own_rows: must be -1 or a row of the {gallery} in the gallery")
    return own.astype(np.int64)
