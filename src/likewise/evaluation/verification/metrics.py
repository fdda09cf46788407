"""Verification metrics: do two photos show the same person?

``roc`` defines the curves, and how each metric is read from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arrays import data_frame
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
from likewise.pages.shown import Shown, Table, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from likewise.pages.plot import Plot

__all__ = [
    "FARS",
    "P_TARGETS",
    "Roc",
    "Verification",
    "d_prime",
    "operating_table",
    "pair_scores",
    "require_finite",
    "roc",
    "row_norms",
    "verification",
]

Floats = NDArray[np.float64]
FARS = (1e-1, 1e-2, 1e-3, 1e-4)
P_TARGETS = (1e-2, 1e-3)
BLOCK = 2**18  # numbers gathered at one time, so that they stay in the cache


@dataclass(frozen=True, repr=False)
class Verification(Shown):
    """The results of a verification experiment.

    Args:
        genuine: the number of pairs of the same person.
        impostor: the number of pairs of different people.
        auc: the area under the ROC: the probability that a genuine pair scores above an impostor
            pair; ties count half.
        eer: the equal error rate, where FAR = FRR, interpolated between thresholds.
        eer_threshold: its score threshold.
        tar_at_far: one entry for each FAR requested.
        roc: the whole curve.
        d_prime: the distance between the mean genuine and impostor scores in standard deviations;
            None if both have no variance.
        min_dcf: one entry for each prior requested.

    Example:
        >>> import likewise
        >>> likewise.verification([0.9, 0.8, 0.3, 0.1], [1, 1, 0, 0], fars=[0.5, 0.1])
        Verification: AUC 1.0000, EER 0.00%, 2 genuine and 2 impostor pairs
        FAR  TAR  FAR achieved  threshold
        0.5  1    0.5           0.3
        0.1  –    –             –
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
        """TAR at any FAR, read from the curve.

        Raises:
            InputError: ``target`` is not in (0, 1].
        """
        return tar_at(self.roc, target, self.impostor)

    def plot_roc(self, ax: Axes | None = None, *, label: str | None = None) -> Axes:
        """Draw the ROC: TAR against FAR on a logarithmic axis.

        Args:
            ax: axes of matplotlib, which may hold other curves already; a new figure if None.
            label: of the curve, in the legend.

        Returns:
            The axes.
        """
        from likewise.pages import curves

        return curves.roc(self, label).on(ax)

    def plot_det(self, ax: Axes | None = None, *, label: str | None = None) -> Axes:
        """Draw the DET: FNMR against FMR on normal deviate scales; see ``plot_roc``."""
        from likewise.pages import curves

        return curves.det(self, label).on(ax)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with the columns threshold, far and tar: the whole ROC."""
        curve = self.roc
        return data_frame({"threshold": curve.threshold, "far": curve.far, "tar": curve.tar})

    def _view(self) -> View:
        title = (
            f"{type(self).__name__}: AUC {self.auc:.4f}, EER {self.eer:.2%}, {self.genuine:,} "
            f"genuine and {self.impostor:,} impostor pairs"
        )
        return View(title, (), [operating_table(self)])

    def _plots(self) -> Sequence[Plot]:
        from likewise.pages import curves

        return (curves.roc(self),)

    @staticmethod
    def of_curve(
        curve: Roc,
        genuine: int,
        impostor: int,
        d_prime: float | None,
        fars: Sequence[float],
        p_targets: Sequence[float],
    ) -> Verification:
        """All metrics that are read from a curve."""
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


def operating_table(measured: Verification) -> Table:
    """The operating points as a table, for a notebook."""
    rows = [(entry.target, entry.tar, entry.far, entry.threshold) for entry in measured.tar_at_far]
    return Table(("FAR", "TAR", "FAR achieved", "threshold"), rows)


def verification(
    scores: ArrayLike,
    same: ArrayLike,
    fars: Sequence[float] = FARS,
    p_targets: Sequence[float] = P_TARGETS,
) -> Verification:
    """The verification metrics of scored pairs.

    Args:
        scores: [N], higher for more similar.
        same: bool [N], whether the pair shows one person.
        fars: the false accept rates for which TAR is reported. A rate below 1/impostors cannot be
            measured, since one false accept would exceed it.
        p_targets: the priors for which the minimum detection cost is reported.

    Raises:
        InputError: see ``roc``; or a FAR is not in (0, 1], a prior not in (0, 1).

    Example:
        >>> from likewise.evaluation.verification.metrics import verification
        >>> verification([0.9, 0.8, 0.3, 0.1], [True, True, False, False]).auc
        1.0
    """
    values, truth = checked_scores(scores, same)
    genuine, impostor = values[truth], values[~truth]
    separation = d_prime(
        float(genuine.mean()), float(genuine.var()), float(impostor.mean()), float(impostor.var())
    )
    return Verification.of_curve(
        roc(values, truth), len(genuine), len(impostor), separation, fars, p_targets
    )


def d_prime(
    genuine_mean: float, genuine_variance: float, impostor_mean: float, impostor_variance: float
) -> float | None:
    """(μ_g - μ_i) / √((σ_g² + σ_i²)/2): the distance between genuine and impostor scores.

    It describes two normal distributions of equal variance fully, and others less well. None if
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
    """Refuse rows with NaN or infinity.

    Raises:
        InputError: names the first of ``rows`` (all, if None) that is not finite.
    """
    finite = np.asarray(np.isfinite(vectors).all(axis=1))
    chosen = np.arange(len(vectors)) if rows is None else rows
    wrong = chosen[~finite[chosen]]
    if len(wrong):
        raise InputError(
            f"embeddings: row {int(wrong[0])} is not finite; leave it out, or embed it again"
        )


def pair_scores(
    vectors: NDArray[np.float32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    distance: Distance | None = None,
) -> Floats:
    """The score of each pair of rows, float64 [N], in blocks of bounded memory.

    Scores are higher for more similar, with every distance. Cosines that float32 cannot tell apart
    are made equal; see ``distances.resolution``.

    Args:
        vectors: [M,D].
        left: the row of the first photo of each pair, [N].
        right: the row of the second photo, [N].
        distance: the cosine if None.

    Raises:
        InputError: a vector in use is not finite, or is zero with the cosine; names the row.

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
    cosine = distance is None or isinstance(distance, Cosine)
    norms = row_norms(vectors, used) if cosine else None
    block = max(1, BLOCK // vectors.shape[1])
    for start in range(0, len(left), block):
        a, b = left[start : start + block], right[start : start + block]
        if norms is not None:
            products = np.einsum("ij,ij->i", vectors[a], vectors[b], dtype=np.float64)
            found = round_cosines(np.clip(products / (norms[a] * norms[b]), -1.0, 1.0))
        else:
            assert distance is not None
            x, y = vectors[a].astype(np.float64), vectors[b].astype(np.float64)
            found = distance.score_paired(x, y)
        scores[start : start + block] = found
    return scores


def row_norms(vectors: NDArray[np.float32], used: NDArray[np.int64]) -> Floats:
    """The norm of each row [M].

    Raises:
        InputError: one of the rows ``used`` is zero; names it.
    """
    norms: Floats = np.linalg.norm(vectors.astype(np.float64), axis=1)
    zero = used[norms[used] == 0]
    if len(zero):
        raise InputError(f"embeddings: row {int(zero[0])} is zero; the cosine to it is undefined")
    return norms
