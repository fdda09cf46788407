"""Verification: do two photos show the same person? The numbers of an experiment.

What its curve is, and how each number is read from it, is in ``curve``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.distances import Cosine, Distance
from likewise.distances.resolution import round_cosines
from likewise.errors import InputError
from likewise.evaluation.verification.roc import (
    MinDcf,
    Roc,
    TarAtFar,
    area,
    checked_scores,
    equal_error,
    min_dcf,
    roc,
    tar_at,
)

__all__ = [
    "FARS",
    "P_TARGETS",
    "Roc",
    "TarAtFar",
    "Verification",
    "d_prime",
    "directed",
    "pair_scores",
    "require_finite",
    "roc",
    "verification",
]

Floats = NDArray[np.float64]
FARS = (1e-1, 1e-2, 1e-3, 1e-4)
P_TARGETS = (1e-2, 1e-3)
BLOCK = 2**18  # numbers gathered at one time: they stay in the cache


@dataclass(frozen=True)
class Verification:
    """The numbers of a verification experiment.

    Args:
        genuine: pairs of the same person.
        impostor: pairs of different people.
        auc: the area under the ROC: the chance that a genuine pair scores above an impostor one,
            ties counted half.
        eer: the equal error rate, where FAR = FRR, between the two nearest thresholds.
        eer_threshold: the score there.
        tar_at_far: one entry for each FAR asked for.
        roc: the whole curve.
        d_prime: how many standard deviations the two kinds' mean scores are apart; None where no
            score differs from the mean of its kind.
        min_dcf: one entry for each prior asked for.
    """

    genuine: int
    impostor: int
    auc: float
    eer: float
    eer_threshold: float
    tar_at_far: tuple[TarAtFar, ...]
    roc: Roc
    d_prime: float | None
    min_dcf: tuple[MinDcf, ...]

    def at(self, target: float) -> TarAtFar:
        """TAR at this FAR, read from the curve: any FAR will do, asked for before or not.

        Raises:
            InputError: ``target`` is not in (0, 1].
        """
        return tar_at(self.roc, target, self.impostor)

    @staticmethod
    def of_curve(
        curve: Roc,
        genuine: int,
        impostor: int,
        d_prime: float | None,
        fars: Sequence[float],
        p_targets: Sequence[float],
    ) -> Verification:
        """Every number that is read from a curve."""
        eer, eer_threshold = equal_error(curve)
        return Verification(
            genuine=genuine,
            impostor=impostor,
            auc=area(curve),
            eer=eer,
            eer_threshold=eer_threshold,
            tar_at_far=tuple(tar_at(curve, target, impostor) for target in fars),
            roc=curve,
            d_prime=d_prime,
            min_dcf=tuple(min_dcf(curve, p) for p in p_targets),
        )


def verification(
    scores: ArrayLike,
    same: ArrayLike,
    fars: Sequence[float] = FARS,
    p_targets: Sequence[float] = P_TARGETS,
) -> Verification:
    """Measure a verification experiment.

    Args:
        scores: [N], higher for more alike.
        same: bool [N], whether the pair shows one person.
        fars: the false accept rates at which TAR is wanted. One below 1/impostors cannot be
            measured: not even one false accept would be that rare.
        p_targets: the priors of "same" for which the minimum detection cost is wanted.

    Raises:
        InputError: see ``roc``; or a FAR is not in (0, 1], a prior not in (0, 1).

    Example:
        >>> from likewise.evaluation.verification.metrics import verification
        >>> verification([0.9, 0.8, 0.3, 0.1], [True, True, False, False]).auc
        1.0
    """
    values, truth = checked_scores(scores, same)
    genuine, impostor = values[truth], values[~truth]
    apart = d_prime(
        float(genuine.mean()), float(genuine.var()), float(impostor.mean()), float(impostor.var())
    )
    return Verification.of_curve(
        roc(values, truth), len(genuine), len(impostor), apart, fars, p_targets
    )


def d_prime(
    genuine_mean: float, genuine_variance: float, impostor_mean: float, impostor_variance: float
) -> float | None:
    """(μ_g - μ_i) / √((σ_g² + σ_i²)/2): how far apart two heaps of scores lie.

    It tells all of two normal distributions of one variance, and less of any others. None where
    both variances are 0.

    Source: Daugman, Biometric decision landscapes, 2000.

    Example:
        >>> from likewise.evaluation.verification.metrics import d_prime
        >>> d_prime(3.0, 1.0, 1.0, 1.0)
        2.0
    """
    spread = (genuine_variance + impostor_variance) / 2
    return (genuine_mean - impostor_mean) / float(np.sqrt(spread)) if spread > 0 else None


def require_finite(vectors: NDArray[np.float32], rows: NDArray[np.int64] | None = None) -> None:
    """Refuse rows that are not numbers.

    Raises:
        InputError: names the first of ``rows`` (all, if None) that is not finite.
    """
    finite = np.asarray(np.isfinite(vectors).all(axis=1))
    chosen = np.arange(len(vectors)) if rows is None else rows
    wrong = chosen[~finite[chosen]]
    if len(wrong):
        raise InputError(
            f"embeddings: row {int(wrong[0])} is not finite, so nothing can be compared with it"
        )


def pair_scores(
    vectors: NDArray[np.float32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    distance: Distance | None = None,
) -> Floats:
    """The score of each pair of rows, float64 [N], in blocks of bounded memory.

    Cosines that float32 cannot tell apart are equal; see ``distances.resolution``.

    Args:
        vectors: [M,D].
        left: the rows on one side, [N].
        right: those on the other, [N].
        distance: scores are higher for more alike whatever it is; the cosine if None.

    Raises:
        InputError: a vector that is used is not finite, or is zero under the cosine, so that it
            has no direction; names the row.

    Example:
        >>> import numpy as np
        >>> from likewise.distances import parse_distance
        >>> from likewise.evaluation.verification.metrics import pair_scores
        >>> rows = np.array([[0, 3], [4, 0]], np.float32)
        >>> pair_scores(rows, np.array([0]), np.array([1]), parse_distance("euclidean"))
        array([-5.])
    """
    left, right = np.asarray(left), np.asarray(right)
    used = np.union1d(left, right)
    require_finite(vectors, used)
    scores = np.empty(len(left), np.float64)
    plain = distance is None or isinstance(distance, Cosine)
    lengths = directed(vectors, used) if plain else None
    block = max(1, BLOCK // vectors.shape[1])
    for start in range(0, len(left), block):
        a, b = left[start : start + block], right[start : start + block]
        if lengths is not None:
            products = np.einsum("ij,ij->i", vectors[a], vectors[b], dtype=np.float64)
            found = round_cosines(np.clip(products / (lengths[a] * lengths[b]), -1.0, 1.0))
        else:
            assert distance is not None
            x, y = vectors[a].astype(np.float64), vectors[b].astype(np.float64)
            found = distance.score_paired(x, y)
        scores[start : start + block] = found
    return scores


def directed(vectors: NDArray[np.float32], used: NDArray[np.int64]) -> Floats:
    """The length of each row [M].

    Raises:
        InputError: one that is used is zero; names it.
    """
    lengths: Floats = np.linalg.norm(vectors.astype(np.float64), axis=1)
    zero = used[lengths[used] == 0]
    if len(zero):
        raise InputError(f"embeddings: row {int(zero[0])} is zero; the cosine to it is undefined")
    return lengths
