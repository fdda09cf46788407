"""Identification: whose face is it, of all in the gallery? CMC and rank-k, open and closed set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.distances import Distance
from likewise.errors import InputError
from likewise.evaluation.identification.open_set import FPIRS, OpenSet, open_set
from likewise.evaluation.identification.probe_scores import ProbeScores, probe_scores

__all__ = [
    "RANKS",
    "ClosedSet",
    "Identification",
    "closed_set",
    "identification",
    "identified",
]

RANKS = (1, 5, 10, 20)


@dataclass(frozen=True)
class ClosedSet:
    """The numbers of closed-set identification: of mated probes alone.

    Args:
        mated: probes with a mate in the gallery, over which all is averaged.
        left_out: probes without one.
        rates: the share of mated probes whose mate comes at rank k or before, for each k asked.
        cmc: float64 [K], the cumulative match characteristic: the same at every rank 1 … K.
    """

    mated: int
    left_out: int
    rates: dict[int, float]
    cmc: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """For the report's JSON."""
        return {
            "mated_probes": self.mated,
            "left_out_without_mate": self.left_out,
            "rank_rates": {str(rank): rate for rank, rate in self.rates.items()},
            "cmc": self.cmc.tolist(),
        }


@dataclass(frozen=True)
class Identification:
    """An identification experiment.

    Args:
        identities: in the gallery.
        templates: in the gallery.
        closed: rank-k and CMC, over the mated probes.
        open: TPIR at FPIR; None where every probe has a mate, so that FPIR cannot be measured.
        scores: what is known of each probe.
    """

    identities: int
    templates: int
    closed: ClosedSet
    open: OpenSet | None
    scores: ProbeScores

    def to_dict(self) -> dict[str, Any]:
        """For the report's JSON."""
        return {
            "identities": self.identities,
            "templates": self.templates,
            "closed_set": self.closed.to_dict(),
            "open_set": None if self.open is None else self.open.to_dict(),
        }


def closed_set(scored: ProbeScores, ranks: Sequence[int] = RANKS) -> ClosedSet:
    """CMC and rank-k of the probes whose identity is in the gallery.

    The rank of a mate is 1 + the number of other identities that score at least as high: a tie
    counts against it. A rank beyond the number of identities is reached by every probe.

    Source: Phillips et al., The FERET evaluation methodology, PAMI 2000.

    Args:
        scored: from ``probe_scores``.
        ranks: the k at which the rate is wanted.

    Raises:
        InputError: no probe has a mate; a rank is below 1, or beyond what was told.
    """
    mated = int(scored.mated.sum())
    if mated == 0:
        raise InputError(
            "identification: no probe's identity is in the gallery; are the labels of one kind?"
        )
    if not ranks or min(ranks) < 1:
        raise InputError(f"ranks: must be 1 or more; got {list(ranks)}")
    beyond = [k for k in ranks if scored.limit < k < scored.identities]
    if beyond:
        raise InputError(f"ranks: {beyond[0]}; ranks up to {scored.limit} were told")
    counts = np.bincount(scored.rank[scored.mated], minlength=scored.limit + 2)
    cmc = np.cumsum(counts[1 : scored.limit + 1]) / mated
    rates = {k: float(cmc[k - 1]) if k <= scored.limit else 1.0 for k in ranks}
    return ClosedSet(mated, len(scored.mated) - mated, rates, cmc)


def identification(
    probes: ArrayLike,
    probe_labels: ArrayLike,
    gallery: ArrayLike,
    gallery_labels: ArrayLike,
    *,
    ranks: Sequence[int] = RANKS,
    fpirs: Sequence[float] = FPIRS,
    max_rank: int = 1,
    distance: Distance | None = None,
) -> Identification:
    """Identify probes in a gallery, closed set and open set, from one pass over it.

    Args:
        probes: [P, D], finite; for the cosine not zero.
        probe_labels: [P], numbers or names.
        gallery: [N, D], likewise; may be memory-mapped. No photo may be in both.
        gallery_labels: [N]; an identity may have several templates, and scores as its best does.
        ranks: see ``closed_set``.
        fpirs: see ``open_set``.
        max_rank: see ``open_set``.
        distance: how to score; the cosine if None.

    Raises:
        InputError: see ``probe_scores``, ``closed_set`` and ``open_set``.

    Example:
        >>> from likewise.evaluation.identification.closed_set import identification
        >>> probes, who = [[3, 4], [1, 0.1], [1, 1]], ["bob", "anna", "a stranger"]
        >>> found = identification(probes, who, [[1, 0], [0, 1]], ["anna", "bob"], fpirs=[1.0])
        >>> found.closed.rates[1], found.closed.left_out, found.open.non_mated
        (1.0, 1, 1)
    """
    limit = max([*ranks, max_rank], default=0)
    scored = probe_scores(
        probes, probe_labels, gallery, gallery_labels, limit=limit, distance=distance
    )
    return identified(scored, ranks=ranks, fpirs=fpirs, max_rank=max_rank)


def identified(
    scored: ProbeScores,
    *,
    ranks: Sequence[int] = RANKS,
    fpirs: Sequence[float] = FPIRS,
    max_rank: int = 1,
) -> Identification:
    """The numbers of probes that have been scored already.

    Args:
        scored: from ``probe_scores``.
        ranks: see ``closed_set``.
        fpirs: see ``open_set``.
        max_rank: see ``open_set``.

    Raises:
        InputError: see ``closed_set`` and ``open_set``.
    """
    return Identification(
        identities=scored.identities,
        templates=scored.templates,
        closed=closed_set(scored, ranks),
        open=None if scored.mated.all() else open_set(scored, fpirs=fpirs, max_rank=max_rank),
        scores=scored,
    )
