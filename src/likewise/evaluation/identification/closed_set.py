"""Identification: which identity of the gallery is it? Closed set (CMC, rank-k) and open set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arrays import data_frame
from likewise.distances import Distance, parse_distance
from likewise.errors import InputError
from likewise.evaluation.identification.open_set import FPIRS, OpenSet, open_set
from likewise.evaluation.identification.probe_scores import ProbeScores, probe_scores
from likewise.evaluation.inputs import check_counts
from likewise.pages.shown import Shown, Table, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from likewise.pages.plot import Plot

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
    """The results of closed-set identification, over mated probes only.

    Args:
        mated: probes with a mate in the gallery.
        left_out: probes without one.
        rates: for each k requested, the share of mated probes whose mate has rank k or better.
        cmc: float64 [K], the cumulative match characteristic: this share at every rank 1 … K.
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


@dataclass(frozen=True, repr=False)
class Identification(Shown):
    """The results of an identification experiment.

    Args:
        identities: in the gallery.
        templates: in the gallery.
        closed: rank-k and CMC, over the mated probes.
        open: TPIR at FPIR; None if every probe has a mate, so that FPIR cannot be measured.
        scores: of each probe.
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

    def plot_cmc(self, ax: Axes | None = None, *, label: str | None = None) -> Axes:
        """Draw the CMC: the share of probes whose mate is among the first k, by rank k.

        Args:
            ax: axes of matplotlib, which may hold other curves already; a new figure if None.
            label: of the curve, in the legend.

        Returns:
            The axes.
        """
        from likewise.pages import rates

        return rates.cmc(self.closed.cmc, label).on(ax)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with the columns rank and rate: the CMC."""
        cmc = self.closed.cmc
        return data_frame({"rank": np.arange(1, len(cmc) + 1), "rate": cmc})

    def _view(self) -> View:
        closed = self.closed
        left_out = f" ({closed.left_out:,} have none)" if closed.left_out else ""
        title = (
            f"Identification: {closed.mated:,} probes with a mate{left_out} among "
            f"{self.templates:,} photos of {self.identities:,} identities"
        )
        rows: list[tuple[object, ...]] = [
            (f"closed set, rank {rank}", rate, None) for rank, rate in closed.rates.items()
        ]
        for entry in () if self.open is None else self.open.tpir_at_fpir:
            rows.append((f"open set, TPIR at FPIR {entry.target:g}", entry.tpir, entry.threshold))
        return View(title, (), [Table(("", "rate", "threshold"), rows)])

    def _plots(self) -> Sequence[Plot]:
        from likewise.pages import rates

        return (rates.cmc(self.closed.cmc),)


def closed_set(scored: ProbeScores, ranks: Sequence[int] = RANKS) -> ClosedSet:
    """CMC and rank-k of the probes whose identity is in the gallery.

    The rank of a mate is 1 + the number of other identities that score at least as high, so a
    tie counts against the mate. Every probe reaches a rank beyond the number of identities.

    Source: Phillips et al., The FERET evaluation methodology, PAMI 2000.

    Args:
        scored: from ``probe_scores``.
        ranks: the k of the rates.

    Raises:
        InputError: no probe has a mate; a rank is below 1, or was not recorded.
    """
    mated = int(scored.mated.sum())
    if mated == 0:
        raise InputError(
            "identification: no probe's identity is in the gallery; are the labels of one kind?"
        )
    check_counts("ranks", ranks)
    for k in ranks:
        if scored.limit < k < scored.identities:
            raise InputError(f"ranks: {k}; the scores record ranks up to {scored.limit}")
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
    distance: Distance | str | None = None,
) -> Identification:
    """Identify probes in a gallery, closed set and open set, in one pass over the gallery.

    Args:
        probes: [P, D], finite; for the cosine not zero.
        probe_labels: [P], numbers or names.
        gallery: [N, D], likewise; may be memory-mapped. No photo may be in both.
        gallery_labels: [N]; an identity may have several templates, of which the best counts.
        ranks: see ``closed_set``.
        fpirs: see ``open_set``.
        max_rank: see ``open_set``.
        distance: how to score, or its name, such as ``euclidean``; the cosine if None.

    Raises:
        InputError: see ``probe_scores``, ``closed_set`` and ``open_set``.

    Example:
        >>> from likewise.evaluation.identification.closed_set import identification
        >>> probes, who = [[3, 4], [1, 0.1], [1, 1]], ["bob", "anna", "carl"]
        >>> found = identification(probes, who, [[1, 0], [0, 1]], ["anna", "bob"], fpirs=[1.0])
        >>> found.closed.rates[1], found.closed.left_out, found.open.non_mated
        (1.0, 1, 1)
    """
    limit = max([*ranks, max_rank], default=0)
    distance = parse_distance(distance) if isinstance(distance, str) else distance
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
    """The results for probes that have been scored already.

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
