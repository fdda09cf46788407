"""The scores of each probe that identification needs, from one pass over the gallery."""

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
from likewise.evaluation.inputs import checked_sides, label_codes
from likewise.evaluation.nearest.neighbors import TopK
from likewise.evaluation.nearest.score_blocks import GALLERY_ROWS, ScoreBlock, score_blocks

__all__ = ["ProbeScores", "ProbeSearch", "probe_scores"]

Codes = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ProbeScores:
    """The scores of each probe against the identities of a gallery.

    The score of an identity is the highest score of its templates.

    Args:
        identities: in the gallery.
        templates: in the gallery.
        mated: bool [P], whether the probe's identity is in the gallery.
        mate: float32 [P], the score of the probe's own identity; -inf without a mate.
        best_other: float32 [P], the highest score of any other identity.
        rank: int64 [P], 1 + the number of other identities that score at least as high as the
            mate, so a tie counts against the mate; ``limit + 1`` for every rank beyond ``limit``
            and for probes without a mate.
        limit: the largest rank that is recorded.
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
    """Score probes against a gallery; memory does not grow with P·N.

    Args:
        probes: [P, D], finite; for the cosine not zero.
        probe_labels: [P], numbers or names.
        gallery: [N, D], likewise; may be memory-mapped.
        gallery_labels: [N]; an identity may have several templates.
        limit: the largest rank to record.
        distance: how to score; the cosine if None.

    Raises:
        InputError: shapes or labels that do not match, a row that is not finite or zero, a
            gallery with one identity, a limit below 1.

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
    """Checked probes and a gallery sorted by identity: scores any span of the probes.

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
        check_count("ranks", limit)
        names = "probes", "gallery"
        self.wanted, self.rows = checked_sides(probes, gallery, names, self.distance)
        codes, self.enrolled = label_codes(
            ("probe labels", probe_labels, len(self.wanted)),
            ("gallery labels", gallery_labels, len(self.rows)),
        )
        # The templates of an identity are adjacent, and always in one block.
        order = np.argsort(self.enrolled, kind="stable")
        identities, self.starts = np.unique(self.enrolled[order], return_index=True)
        if len(identities) < 2:
            raise InputError("gallery labels: only one identity; identification needs two or more")
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
        """Score ``some`` of the probes against the whole gallery."""
        wanted, mated, own = self.wanted[some], self.mated[some], self.own[some]
        mate = np.full(len(wanted), -math.inf, np.float32)
        others = TopK(len(wanted), self.limit)
        for block in score_blocks(
            wanted, self.rows, self.distance, order=self.order, cuts=self.cuts
        ):
            by_identity = _by_identity(block, self.starts) if self.several else block
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
    """The ends of the gallery's blocks, such that no identity spans two of them."""
    ends = np.append(starts, count)
    if np.diff(ends).max() > GALLERY_ROWS:
        raise InputError(
            f"gallery: an identity with {int(np.diff(ends).max())} templates; at most "
            f"{GALLERY_ROWS} are possible: pool them first with pool_templates"
        )
    cuts = [0]
    while count - cuts[-1] > GALLERY_ROWS:
        after = int(np.searchsorted(ends, cuts[-1] + GALLERY_ROWS, side="right"))
        cuts.append(int(ends[after - 1]))
    return cuts[1:]


def _by_identity(block: ScoreBlock[Tensor], starts: Codes) -> ScoreBlock[Tensor]:
    """Reduce the columns of each identity to one: their maximum."""
    first, last = np.searchsorted(starts, [block.rows.start, block.rows.stop])
    inside = starts[first:last] - block.rows.start
    best = np.maximum.reduceat(block.scores.numpy(), inside, axis=1)
    return ScoreBlock(block.queries, slice(int(first), int(last)), torch.from_numpy(best))
