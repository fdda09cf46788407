"""MegaFace: is a person still found when a million strangers stand beside them?

Challenge 1 (Kemelmacher-Shlizerman et al., The MegaFace benchmark, CVPR 2016). Every photo of a
person searches for every other photo of that person, one at a time: the gallery is the mate and
the distractors, never two mates at once. The distractors grow from 10 to a million.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.distances import Cosine, Distance
from likewise.errors import InputError
from likewise.evaluation.identification.top_scores import TopScores
from likewise.evaluation.labelled import checked_rows, label_codes, require_same_dimension
from likewise.evaluation.nearest.neighbors import NearestSoFar
from likewise.evaluation.nearest.tiles import score_tiles

__all__ = ["DISTRACTORS", "MegaFace", "MegaFaceCurve", "MegaFacePoint", "megaface"]

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
DISTRACTORS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
MOST_IMPOSTORS = 2**27  # scores kept to find a threshold: 512 MiB
MOST_SEARCHES = 2**26


@dataclass(frozen=True)
class MegaFacePoint:
    """The numbers at one count of distractors.

    Args:
        distractors: how many.
        rates: for each rank k, the share of searches in which fewer than k distractors score at
            least as high as the mate: a tie counts against it.
        tar: the largest share of mates accepted while FAR, over all pairs of probe and
            distractor, stays at or below the one asked for; None where FAR cannot be measured.
        threshold: the score there.
    """

    distractors: int
    rates: dict[int, float]
    tar: float | None
    threshold: float | None


@dataclass(frozen=True)
class MegaFaceCurve:
    """The protocol on one list of probes and distractors.

    Args:
        probes: photos that search; those that are alone in their identity cannot.
        searches: pairs of a probe and a mate.
        points: one for each count of distractors, ascending.
    """

    probes: int
    searches: int
    points: tuple[MegaFacePoint, ...]


@dataclass(frozen=True)
class MegaFace:
    """The outcome of the protocol.

    Args:
        far: the false accept rate of every ``tar``.
        raw: on all photos.
        cleaned: without the photos that are listed as noisy; None where no list is given. It is
            never reported alone.
        noisy_probes: photos left out of ``cleaned``.
        noisy_distractors: likewise.
    """

    far: float
    raw: MegaFaceCurve
    cleaned: MegaFaceCurve | None
    noisy_probes: int
    noisy_distractors: int

    def to_dict(self) -> dict[str, Any]:
        """For the report's JSON."""
        return asdict(self)


def megaface(
    probes: ArrayLike,
    labels: ArrayLike,
    distractors: ArrayLike,
    *,
    counts: Sequence[int] = DISTRACTORS,
    ranks: Sequence[int] = (1, 10),
    far: float = 1e-6,
    names: Sequence[str] | None = None,
    distractor_names: Sequence[str] | None = None,
    noisy: Collection[str] = (),
    noisy_distractors: Collection[str] = (),
    seed: int = 0,
    distance: Distance | None = None,
) -> MegaFace:
    """Run MegaFace's protocol.

    The sets of distractors are nested: each is the start of one random order. One pass over them
    scores every probe, and keeps of each only the best, and of all together only as many of the
    highest scores as FAR needs, so memory does not grow with the distractors.

    Args:
        probes: [P, D], finite; for the cosine not zero.
        labels: [P], whose photo each probe is.
        distractors: [N, D], likewise, of other people; may be memory-mapped.
        counts: how many distractors; those above N are left out, and N itself is taken instead.
        ranks: the k at which the rate is wanted.
        far: the false accept rate at which TAR is wanted.
        names: [P], the probes' names; needed with ``noisy``.
        distractor_names: [N], likewise.
        noisy: names of probes that show somebody else, or nobody.
        noisy_distractors: names of distractors that are unfit, as those that show a probe's
            person. Both lists make ``cleaned``; its sets are the raw ones without these.
        seed: draws the order of the distractors.
        distance: how to score; the cosine if None.

    Raises:
        InputError: shapes or labels that do not fit, a row that is not finite or zero, no
            identity with two probes, a count or rank below 1, noisy names without names or that
            nobody has, a FAR that would need too many scores.

    Example:
        >>> from likewise.evaluation.identification.megaface import megaface
        >>> probes, people = [[5, 1], [5, 2], [1, 5], [2, 5]], ["anna", "anna", "bob", "bob"]
        >>> found = megaface(probes, people, [[1, -1], [1, 1], [7, 3]], counts=[3], far=0.1)
        >>> found.raw.searches, found.raw.points[0].rates[1], found.raw.points[0].tar
        (4, 0.75, 1.0)
    """
    distance = distance or Cosine()
    directions = isinstance(distance, Cosine)
    wanted = checked_rows(probes, "probes", zero_allowed=not directions)
    others = checked_rows(distractors, "distractors", zero_allowed=not directions)
    require_same_dimension(wanted, others, "probes, distractors")
    (people,) = label_codes(("labels", labels, len(wanted)))
    if not counts or min(counts) < 1 or not ranks or min(ranks) < 1 or not 0 < far <= 1:
        raise InputError(
            "counts, ranks, far: counts and ranks from 1, a FAR in (0, 1], are expected"
        )
    sizes = sorted({min(count, len(others)) for count in counts})
    order = np.random.default_rng(seed).permutation(len(others))[: sizes[-1]]
    bad = _listed("noisy", noisy, names, len(wanted))
    unfit = _listed("noisy_distractors", noisy_distractors, distractor_names, len(others))
    asked = _Asked(tuple(ranks), far, distance)
    raw = asked.curve(wanted, people, others, order, sizes)
    cleaned = None
    if bad.any() or unfit.any():
        fit = ~unfit[order]
        left = sorted({int(fit[:size].sum()) for size in sizes} - {0})
        if not left:
            raise InputError("noisy_distractors: every distractor is noisy; none is left")
        cleaned = asked.curve(wanted[~bad], people[~bad], others, order[fit], left)
    return MegaFace(far, raw, cleaned, int(bad.sum()), int(unfit.sum()))


@dataclass(frozen=True)
class _Asked:
    ranks: tuple[int, ...]
    far: float
    distance: Distance

    def curve(
        self, probes: Vectors, people: Rows, others: Vectors, order: Rows, sizes: list[int]
    ) -> MegaFaceCurve:
        """One pass over the distractors ``order``, with a stop at each of ``sizes``."""
        searching, mate = _mates(people)
        if not len(searching):
            raise InputError("labels: no identity has two probes, so nobody has a mate to find")
        photos, place = np.unique(searching, return_inverse=True)
        scores = _paired(probes, searching, mate, self.distance)
        wanted = probes[photos]
        accepted = [int(self.far * len(photos) * size * (1 + 1e-12)) for size in sizes]
        if accepted[-1] >= MOST_IMPOSTORS:
            raise InputError(
                f"far: {self.far} of {len(photos) * sizes[-1]:,} pairs is more scores than are "
                "kept; ask for a smaller one, or fewer distractors"
            )
        best = NearestSoFar(len(photos), max(self.ranks))
        impostors = TopScores(accepted[-1] + 1)
        points = []
        allowed = dict(zip(sizes, accepted, strict=True))
        for tile in score_tiles(wanted, others, self.distance, order=order, cuts=sizes):
            impostors.add(tile.scores)
            best.add(tile)
            if tile.rows.stop in allowed and tile.queries.stop == len(wanted):
                size = tile.rows.stop
                rates = self._rates(size, scores, best.scores().numpy()[place])
                points.append(_point(size, rates, scores, impostors, allowed[size]))
        return MegaFaceCurve(len(photos), len(searching), tuple(points))

    def _rates(self, size: int, mates: Vectors, best: Vectors) -> dict[int, float]:
        """Rank k is reached where the k-th best distractor scores below the mate."""
        return {k: float(np.mean(mates > best[:, k - 1])) if k <= size else 1.0 for k in self.ranks}


def _point(
    size: int, rates: dict[int, float], mates: Vectors, impostors: TopScores, accepted: int
) -> MegaFacePoint:
    if accepted < 1:  # not even one false accept would be so rare
        return MegaFacePoint(size, rates, None, None)
    threshold = impostors.above(accepted)
    return MegaFacePoint(size, rates, float(np.mean(mates >= threshold)), threshold)


def _mates(people: Rows) -> tuple[Rows, Rows]:
    """Every ordered pair of two photos of one person, as two lists of rows."""
    order = np.argsort(people, kind="stable")
    sizes = np.bincount(people)
    searches = int((sizes * (sizes - 1)).sum())
    if searches > MOST_SEARCHES:
        raise InputError(
            f"labels: {searches:,} pairs of a probe and a mate; at most {MOST_SEARCHES:,}: "
            "take fewer photos of a person"
        )
    starts = np.cumsum(sizes) - sizes
    place = np.arange(len(people)) - np.repeat(starts, sizes)
    others = np.repeat(sizes, sizes) - 1  # of the person of each photo, in order
    probe = np.repeat(np.arange(len(people)), others)
    number = np.arange(len(probe)) - np.repeat(np.cumsum(others) - others, others)
    number += number >= place[probe]  # the photo itself is skipped
    return order[probe], order[np.repeat(starts, sizes)[probe] + number]


def _paired(vectors: Vectors, left: Rows, right: Rows, distance: Distance) -> Vectors:
    """The score of each pair of rows, float32 [N], in blocks."""
    scores = np.empty(len(left), np.float32)
    step = max(1, 2**22 // vectors.shape[1])
    for start in range(0, len(left), step):
        some = slice(start, start + step)
        scores[some] = distance.score_paired(vectors[left[some]], vectors[right[some]])
    return scores


def _listed(
    argument: str, wanted: Collection[str], names: Sequence[str] | None, count: int
) -> NDArray[np.bool_]:
    """Which of ``names`` are in the list."""
    if not wanted:
        return np.zeros(count, bool)
    if names is None or len(names) != count:
        given = "none" if names is None else str(len(names))
        raise InputError(f"{argument}: needs the name of each of {count} photos; {given} given")
    listed = set(wanted)
    found = np.array([name in listed for name in names])
    if not found.any():
        raise InputError(
            f"{argument}: no photo has a name of the list; the list has {next(iter(wanted))!r}, "
            f"the photos are named like {names[0]!r}"
        )
    return found
