"""MegaFace: is a person still identified among a million distractors?

Challenge 1 (Kemelmacher-Shlizerman et al., The MegaFace benchmark, CVPR 2016). Every photo of a
person is a probe for every other photo of that person, one at a time: the gallery is that one mate
and the distractors, never two mates at once. The number of distractors grows from 10 to a million.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from likewise.arguments import check_number
from likewise.distances import Cosine, Distance
from likewise.errors import InputError
from likewise.evaluation.inputs import check_counts, checked_sides, label_codes
from likewise.evaluation.nearest.neighbors import TopK
from likewise.evaluation.nearest.score_blocks import score_blocks
from likewise.evaluation.verification.roc import ROUNDING

__all__ = ["MegaFace", "MegaFaceCurve", "MegaFacePoint", "megaface"]

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]
DISTRACTORS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
MOST_IMPOSTORS = 2**27  # impostor scores kept to find a threshold: 512 MiB
MOST_SEARCHES = 2**26


@dataclass(frozen=True)
class MegaFacePoint:
    """The results at one number of distractors.

    Args:
        distractors: how many.
        rates: for each rank k, the share of searches in which fewer than k distractors score at
            least as high as the mate; a tie counts against the mate.
        tar: the largest share of mates accepted while FAR, over all pairs of a probe and a
            distractor, stays at or below the requested one; None if FAR cannot be measured.
        threshold: the score threshold of ``tar``.
    """

    distractors: int
    rates: dict[int, float]
    tar: float | None
    threshold: float | None


@dataclass(frozen=True)
class MegaFaceCurve:
    """The results for one list of probes and distractors.

    Args:
        probes: photos with a mate; photos that are alone in their identity are left out.
        searches: pairs of a probe and a mate.
        points: one for each number of distractors, ascending.
    """

    probes: int
    searches: int
    points: tuple[MegaFacePoint, ...]


@dataclass(frozen=True)
class MegaFace:
    """The results of the protocol.

    Args:
        far: the false accept rate of every ``tar``.
        raw: on all photos.
        cleaned: without the photos listed as noisy; None if no list is given. It is never
            reported without ``raw``.
        noisy_probes: the number of probes left out of ``cleaned``.
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

    The sets of distractors are nested: each is the beginning of one random order. One pass over
    the distractors keeps only the top k of each probe and the highest of all scores, which
    determine the threshold at FAR, so memory does not grow with the distractors.

    Args:
        probes: [P, D], finite; for the cosine not zero.
        labels: [P], the identity of each probe.
        distractors: [N, D], likewise, of other people; may be memory-mapped.
        counts: the numbers of distractors; those above N are replaced by N.
        ranks: the k of the rates.
        far: the false accept rate at which TAR is reported.
        names: [P], the probes' names; needed with ``noisy``.
        distractor_names: [N], likewise.
        noisy: names of probes that show another person, or nobody.
        noisy_distractors: names of unusable distractors, such as photos of a probe's person.
            ``cleaned`` leaves out the photos of both lists.
        seed: draws the order of the distractors.
        distance: how to score; the cosine if None.

    Raises:
        InputError: shapes or labels that do not match, a row that is not finite or zero, no
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
    wanted, others = checked_sides(probes, distractors, ("probes", "distractors"), distance)
    (people,) = label_codes(("labels", labels, len(wanted)))
    check_counts("counts", counts)
    check_counts("ranks", ranks)
    check_number("far", far, above=0, most=1)
    sizes = sorted({min(count, len(others)) for count in counts})
    order = np.random.default_rng(seed).permutation(len(others))[: sizes[-1]]
    bad = _listed("noisy", noisy, names, len(wanted))
    unfit = _listed("noisy_distractors", noisy_distractors, distractor_names, len(others))
    protocol = _Protocol(tuple(ranks), far, distance)
    raw = protocol.curve(wanted, people, others, order, sizes)
    cleaned = None
    if bad.any() or unfit.any():
        fit = ~unfit[order]
        left = sorted({int(fit[:size].sum()) for size in sizes} - {0})
        if not left:
            raise InputError("noisy_distractors: every distractor is noisy; none is left")
        cleaned = protocol.curve(wanted[~bad], people[~bad], others, order[fit], left)
    return MegaFace(far, raw, cleaned, int(bad.sum()), int(unfit.sum()))


@dataclass(frozen=True)
class _Protocol:
    ranks: tuple[int, ...]
    far: float
    distance: Distance

    def curve(
        self, probes: Vectors, people: Rows, others: Vectors, order: Rows, sizes: list[int]
    ) -> MegaFaceCurve:
        """One pass over the distractors in ``order``, with a point at each of ``sizes``."""
        searching, mate = _mates(people)
        if not len(searching):
            raise InputError("labels: no identity has two probes, so no probe has a mate")
        photos, place = np.unique(searching, return_inverse=True)
        scores = _paired(probes, searching, mate, self.distance)
        wanted = probes[photos]
        accepted = [int(self.far * len(photos) * size * (1 + ROUNDING)) for size in sizes]
        if accepted[-1] >= MOST_IMPOSTORS:
            raise InputError(
                f"far: {self.far} of {len(photos) * sizes[-1]:,} pairs is more scores than fit "
                "in memory; use a smaller FAR or fewer distractors"
            )
        best = TopK(len(photos), max(self.ranks))
        impostors = TopScores(accepted[-1] + 1)
        points = []
        allowed = dict(zip(sizes, accepted, strict=True))
        for block in score_blocks(wanted, others, self.distance, order=order, cuts=sizes):
            impostors.add(block.scores)
            best.add(block)
            if block.rows.stop in allowed and block.queries.stop == len(wanted):
                size = block.rows.stop
                rates = self._rates(size, scores, best.scores().numpy()[place])
                points.append(_point(size, rates, scores, impostors, allowed[size]))
        return MegaFaceCurve(len(photos), len(searching), tuple(points))

    def _rates(self, size: int, mates: Vectors, best: Vectors) -> dict[int, float]:
        """A search reaches rank k if the k-th best distractor scores below the mate."""
        return {k: float(np.mean(mates > best[:, k - 1])) if k <= size else 1.0 for k in self.ranks}


def _point(
    size: int, rates: dict[int, float], mates: Vectors, impostors: TopScores, accepted: int
) -> MegaFacePoint:
    if accepted < 1:  # one false accept would exceed the FAR
        return MegaFacePoint(size, rates, None, None)
    threshold = impostors.above(accepted)
    return MegaFacePoint(size, rates, float(np.mean(mates >= threshold)), threshold)


def _mates(people: Rows) -> tuple[Rows, Rows]:
    """All ordered pairs of two photos of one person, as two arrays of rows."""
    order = np.argsort(people, kind="stable")
    sizes = np.bincount(people)
    searches = int((sizes * (sizes - 1)).sum())
    if searches > MOST_SEARCHES:
        raise InputError(
            f"labels: {searches:,} pairs of a probe and a mate; at most {MOST_SEARCHES:,}: "
            "use fewer photos of each person"
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
    """Which of ``names`` are listed, bool [count]."""
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


class TopScores:
    """Keeps the ``most`` highest of all scores added.

    Args:
        most: how many; memory is a few times this, and one block.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = torch.empty(0)
        self.parts: list[Tensor] = []
        self.waiting = 0
        self.least = -math.inf  # lower scores are not among the highest

    def add(self, scores: Tensor) -> None:
        """Add scores of any shape."""
        found = scores[scores >= self.least] if self.least > -math.inf else scores.flatten().clone()
        self.parts.append(found)
        self.waiting += len(found)
        if self.waiting > self.most:
            self._trim()

    def above(self, accepted: int) -> float:
        """The lowest float32 threshold that at most ``accepted`` of all scores reach.

        Tied scores are accepted or rejected together, so it may be fewer. ``accepted`` is below
        ``most``.
        """
        self._trim()
        if len(self.kept) <= accepted:
            return -math.inf
        rejected = np.float32(self.kept[accepted].item())
        return float(np.nextafter(rejected, np.float32(np.inf)))

    def _trim(self) -> None:
        everything = torch.cat([self.kept, *self.parts])
        self.parts, self.waiting = [], 0
        self.kept = everything.topk(min(self.most, len(everything))).values
        self.least = self.kept[-1].item() if len(self.kept) == self.most else -math.inf
