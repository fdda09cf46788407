"""Verification metrics of bootstrap replicates, in which each identity has a weight.

An identity that is drawn w times brings each of its genuine pairs w times, and each impostor pair
with another identity, drawn v times, w·v times. Copies of an identity are not compared with each
other, since they would be near-duplicates of a kind that the data does not have. So a replicate is
a set of weights on the original pairs, which are sorted only once.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.evaluation.intervals.scored_pairs import ScoredPairs
from likewise.evaluation.verification.roc import ROUNDING

__all__ = ["Replicate", "WeightedPairs"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


class WeightedPairs:
    """Pairs sorted once, for many replicates.

    Args:
        pairs: N of them; memory is about 60 bytes a pair.
    """

    def __init__(self, pairs: ScoredPairs) -> None:
        self.identities = pairs.identities
        self.genuine = _Side.of(pairs.take(np.flatnonzero(pairs.same)))
        self.impostor = _Side.of(pairs.take(np.flatnonzero(~pairs.same)))
        # For each genuine pair: how many impostor pairs score above it, and as much or more.
        g, i = self.genuine.scores, self.impostor.scores
        self.above = _count_above(i, g)
        self.not_below = _count_above(i, g, ties=True)
        self.distinct = np.unique(np.concatenate([g, i]))[::-1]
        self.genuine_at = _count_above(g, self.distinct, ties=True)
        self.impostor_at = _count_above(i, self.distinct, ties=True)

    def replicate(self, weights: NDArray[np.int64] | None = None) -> Replicate | None:
        """The replicate with these weights of the identities, [A]; each weighs 1 if None.

        Returns:
            None if the replicate has no genuine or no impostor pair.
        """
        if weights is None:
            weights = np.ones(self.identities, np.int64)
        # Floats represent whole numbers exactly, and avoid a conversion for every pair.
        times = weights.astype(np.float64)
        genuine = self.genuine.cumulative(times)
        impostor = self.impostor.cumulative(times)
        if genuine[-1] == 0 or impostor[-1] == 0:
            return None
        return Replicate(self, genuine, impostor)


@dataclass(frozen=True)
class Replicate:
    """One bootstrap replicate.

    Args:
        of: the pairs.
        genuine: the total weight of the first 0, 1, … genuine pairs, best score first, [G + 1].
        impostor: likewise of the impostor pairs.
    """

    of: WeightedPairs
    genuine: Floats
    impostor: Floats

    def auc(self) -> float:
        """The area under the ROC; ties count half."""
        over = self.impostor[self.of.above] + self.impostor[self.of.not_below]
        lost = float(np.diff(self.genuine) @ over) / 2
        return 1.0 - lost / float(self.genuine[-1] * self.impostor[-1])

    def tar_at(self, target: float) -> tuple[float, float, float]:
        """The largest TAR with FAR ≤ ``target``, the FAR there, and the threshold."""
        allowed = target * (1 + ROUNDING) * self.impostor[-1]
        side = self.of.impostor
        over = int(np.searchsorted(self.impostor, allowed, side="right")) - 1
        if over >= len(side.scores):
            return 1.0, 1.0, self._lowest(len(side.scores), len(self.of.genuine.scores))
        score = side.scores[over]  # this impostor pair, and those tied with it, must be rejected
        kept = int(side.first[over])
        accepted = int(np.searchsorted(-self.of.genuine.scores, -score, side="left"))
        tar = float(self.genuine[accepted] / self.genuine[-1])
        far = float(self.impostor[kept] / self.impostor[-1])
        if self.genuine[accepted] == 0 and self.impostor[kept] == 0:
            return 0.0, 0.0, float(np.nextafter(score, np.inf))
        return tar, far, self._lowest(kept, accepted)

    def _lowest(self, impostors: int, genuine: int) -> float:
        """The lowest score with weight among the first pairs of both kinds."""
        found = []
        for side, mass, count in (
            (self.of.impostor, self.impostor, impostors),
            (self.of.genuine, self.genuine, genuine),
        ):
            if mass[count] > 0:
                found.append(float(side.scores[np.searchsorted(mass, mass[count]) - 1]))
        return min(found)

    def rates(self, threshold: float) -> tuple[float, float]:
        """FAR and FNMR at this threshold."""
        g = int(np.searchsorted(-self.of.genuine.scores, -threshold, side="right"))
        i = int(np.searchsorted(-self.of.impostor.scores, -threshold, side="right"))
        far = float(self.impostor[i] / self.impostor[-1])
        return far, 1.0 - float(self.genuine[g] / self.genuine[-1])

    def eer(self) -> tuple[float, float]:
        """The equal error rate and its threshold, as ``equal_error`` defines them."""
        after = bisect_left(range(len(self.of.distinct)), 0.0, key=self._gap)
        far, gap = self._far(after), self._gap(after)
        threshold = float(self.of.distinct[after])
        if gap == 0.0:
            return far, threshold
        before_far, before_gap = (
            (self._far(after - 1), self._gap(after - 1)) if after else (0.0, -1.0)
        )
        share = -before_gap / (gap - before_gap)
        return before_far + share * (far - before_far), threshold

    def _far(self, point: int) -> float:
        return float(self.impostor[self.of.impostor_at[point]] / self.impostor[-1])

    def _gap(self, point: int) -> float:
        tar = float(self.genuine[self.of.genuine_at[point]] / self.genuine[-1])
        return self._far(point) + tar - 1.0


@dataclass(frozen=True)
class _Side:
    """The genuine or the impostor pairs, best score first."""

    scores: Floats
    left: Numbers
    right: Numbers
    two: NDArray[np.bool_] | None  # whether a pair has two identities; None if all have
    weight: Floats | None
    first: Numbers  # the position of the first pair with the same score

    @staticmethod
    def of(pairs: ScoredPairs) -> _Side:
        order = np.argsort(-pairs.scores, kind="stable")
        chosen = pairs.take(order)
        two = chosen.left != chosen.right
        return _Side(
            chosen.scores,
            chosen.left,
            chosen.right,
            None if two.all() else two,
            chosen.weight,
            _count_above(chosen.scores, chosen.scores),
        )

    def cumulative(self, weights: Floats) -> Floats:
        total = np.empty(len(self.left) + 1)
        total[0] = 0.0
        mass = weights.take(self.left, out=total[1:], mode="clip")
        if self.two is None:
            mass *= weights.take(self.right)
        elif self.two.any():
            mass *= np.where(self.two, weights.take(self.right), 1.0)
        if self.weight is not None:
            mass *= self.weight
        np.cumsum(mass, out=mass)
        return total


def _count_above(scores: Floats, of: Floats, *, ties: bool = False) -> Numbers:
    """For each of ``of``, how many of ``scores`` (descending) are above it, or with ties."""
    return np.searchsorted(-scores, -of, side="right" if ties else "left")
