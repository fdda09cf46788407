"""What identification needs to know of each probe, from one pass over the gallery."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from likewise.distances import Cosine, Distance
from likewise.errors import InputError
from likewise.evaluation.labelled import checked_rows, label_codes, require_same_dimension
from likewise.evaluation.nearest.neighbors import NearestSoFar
from likewise.evaluation.nearest.tiles import GALLERY_ROWS, Tile, score_tiles

__all__ = ["ProbeScores", "ProbeSearch", "probe_scores"]

Codes = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ProbeScores:
    """Each probe against each identity of a gallery.

    An identity with several templates scores as the best of them does.

    Args:
        identities: in the gallery.
        templates: in the gallery.
        mated: bool [P], whether the probe's identity is in the gallery.
        mate: float32 [P], the score of the probe's own identity; -inf without a mate.
        best_other: float32 [P], the best score of any other identity.
        rank: int64 [P], 1 + the number of other identities that score at least as high as the
            mate (so a tie counts against it, whatever the order); ``limit + 1`` for every rank
            beyond ``limit``, and without a mate.
        limit: the largest rank that is told.
    """

    identities: int
    templates: int
    mated: NDArray[np.bool_]
    mate: Floats
    best_other: Floats
    rank: Codes
    limit: int


def probe_scores(
    probes: ArrayLike,
    probe_labels: ArrayLike,
    gallery: ArrayLike,
    gallery_labels: ArrayLike,
    *,
    limit: int = 20,
    distance: Distance | None = None,
) -> ProbeScores:
    """Score probes against a gallery, in memory that does not grow with P·N.

    Args:
        probes: [P, D], finite; for the cosine not zero.
        probe_labels: [P], numbers or names.
        gallery: [N, D], likewise; may be memory-mapped.
        gallery_labels: [N], an identity may have several templates.
        limit: the largest rank to tell.
        distance: how to score; the cosine if None.

    Raises:
        InputError: shapes or labels that do not fit, a row that is not finite or zero, a gallery
            of one identity, a limit below 1.

    Example:
        >>> from likewise.evaluation.identification.probe_scores import probe_scores
        >>> scored = probe_scores([[3, 4]], ["bob"], [[1, 0], [0, 1]], ["anna", "bob"])
        >>> int(scored.rank[0]), round(float(scored.mate[0]), 4)
        (1, 0.8)
    """
    search = ProbeSearch(
        probes, probe_labels, gallery, gallery_labels, limit=limit, distance=distance
    )
    return search.scored(slice(None))


class ProbeSearch:
    """Probes and a gallery, checked and in order: any stretch of the probes can then be scored.

    The arguments are those of ``probe_scores``.

    Raises:
        InputError: see ``probe_scores``.
    """

    def __init__(
        self,
        probes: ArrayLike,
        probe_labels: ArrayLike,
        gallery: ArrayLike,
        gallery_labels: ArrayLike,
        *,
        limit: int,
        distance: Distance | None,
    ) -> None:
        self.distance = distance or Cosine()
        directions = isinstance(self.distance, Cosine)
        self.wanted = checked_rows(probes, "probes", zero_allowed=not directions)
        self.rows = checked_rows(gallery, "gallery", zero_allowed=not directions)
        require_same_dimension(self.wanted, self.rows, "probes, gallery")
        codes, self.enrolled = label_codes(
            ("probe labels", probe_labels, len(self.wanted)),
            ("gallery labels", gallery_labels, len(self.rows)),
        )
        if limit < 1:
            raise InputError(f"ranks: must be at least 1; got {limit}")
        # Templates of one identity stand side by side, and never in two blocks.
        order = np.argsort(self.enrolled, kind="stable")
        identities, self.starts = np.unique(self.enrolled[order], return_index=True)
        if len(identities) < 2:
            raise InputError(
                "gallery labels: one identity only; there is nobody to confuse it with"
            )
        self.identities = len(identities)
        self.limit = min(limit, len(identities) - 1)
        self.several = len(identities) < len(self.rows)
        sorted_already = bool((order[1:] > order[:-1]).all())
        self.order = None if sorted_already else order
        self.cuts = _cuts(self.starts, len(self.rows)) if self.several else ()
        place = np.searchsorted(identities, codes)
        self.mated = identities[np.minimum(place, len(identities) - 1)] == codes
        self.own = np.where(self.mated, place, -1)

    def scored(self, some: slice) -> ProbeScores:
        """``some`` of the probes against the whole gallery."""
        wanted, mated, own = self.wanted[some], self.mated[some], self.own[some]
        mate = np.full(len(wanted), -math.inf, np.float32)
        others = NearestSoFar(len(wanted), self.limit)
        for tile in score_tiles(wanted, self.rows, self.distance, order=self.order, cuts=self.cuts):
            by_identity = _best_of_each(tile, self.starts) if self.several else tile
            mine, span = own[by_identity.queries], by_identity.rows
            inside = np.flatnonzero((mine >= span.start) & (mine < span.stop))
            columns = mine[inside] - span.start
            mate[by_identity.queries][inside] = by_identity.scores[inside, columns].numpy()
            by_identity.scores[inside, columns] = -math.inf
            others.add(by_identity)
        best = others.scores().numpy()
        ahead = (best >= mate[:, None]).sum(axis=1)
        return ProbeScores(
            identities=self.identities,
            templates=len(self.rows),
            mated=mated,
            mate=mate,
            best_other=best[:, 0],
            rank=np.where(mated, 1 + ahead, self.limit + 1).astype(np.int64),
            limit=self.limit,
        )


def _cuts(starts: Codes, count: int) -> list[int]:
    """Where blocks of the gallery end, so that no identity is in two of them."""
    ends = np.append(starts, count)
    if np.diff(ends).max() > GALLERY_ROWS:
        raise InputError(
            f"gallery: an identity with {int(np.diff(ends).max())} templates; at most "
            f"{GALLERY_ROWS} are compared one by one: pool them first, with pool_templates"
        )
    cuts = [0]
    while count - cuts[-1] > GALLERY_ROWS:
        after = int(np.searchsorted(ends, cuts[-1] + GALLERY_ROWS, side="right"))
        cuts.append(int(ends[after - 1]))
    return cuts[1:]


def _best_of_each(tile: Tile, starts: Codes) -> Tile:
    """Columns of one identity become one: their best."""
    first, last = np.searchsorted(starts, [tile.rows.start, tile.rows.stop])
    inside = starts[first:last] - tile.rows.start
    best = np.maximum.reduceat(tile.scores.numpy(), inside, axis=1)
    return Tile(tile.queries, slice(int(first), int(last)), torch.from_numpy(best))
