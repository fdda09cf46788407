"""Validation: the accuracy of the network on identities that it is not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from likewise.data.manifest import Manifest
from likewise.data.pairs import draw_pairs
from likewise.distances.resolution import mean_cosine
from likewise.distances.similarity import unit_and_length
from likewise.evaluation.calibration.fit import Calibrated, calibrate_pairs
from likewise.evaluation.intervals.auc_estimate import AucEstimate, auc_estimate
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.verification.metrics import Verification, pair_scores, verification
from likewise.models.embedder import Embedder
from likewise.models.inference import BadWeights
from likewise.training.recipe.validation_metric import AUC, Metric
from likewise.training.validation_metric import estimate_of, require_measurable

__all__ = [
    "ENOUGH",
    "Interruption",
    "Validated",
    "Validation",
    "calibrated",
    "embedded",
    "interruptible",
    "require_nonzero",
    "score",
    "scored",
]

REPLICATES = 200  # of the bootstrap: about a second for the largest number of pairs
ENOUGH = 10  # people to choose an epoch by: with fewer the AUC depends on who was drawn
PAIRS = 200_000  # of each kind: enough for FAR = 1e-4, small enough for every epoch


class Interruption(Exception):
    """A validation was stopped before its end."""


@dataclass(frozen=True)
class Validated:
    """The result of one validation.

    Args:
        verification: the metrics.
        auc: the AUC, with the influence of each held-out person.
        pairs: the scored pairs that they were computed from.
        mean_cosine: between different photos; near 1, all photos have nearly the same embedding.
        norms: the length of each photo's raw embedding, [N].
        metric: by which epochs are compared.
        other: this metric; None if it is the AUC.
    """

    verification: Verification
    auc: AucEstimate
    pairs: ScoredPairs
    mean_cosine: float
    norms: NDArray[np.float32]
    metric: Metric = AUC
    other: AucEstimate | None = None

    @property
    def chosen(self) -> AucEstimate:
        """The metric by which epochs are compared."""
        return self.auc if self.other is None else self.other


class Validation:
    """Verification on pairs of the held-out photos, the same pairs after every epoch.

    Args:
        manifest: the photos of held-out identities.
        pixels: their pixels, if they are kept in memory.
        seed: draws the pairs if there are too many.
        metric: by which epochs are compared.
    """

    def __init__(
        self, manifest: Manifest, pixels: Tensor | None, seed: int, metric: Metric = AUC
    ) -> None:
        self.manifest = manifest
        self.pixels = pixels
        self.seed = seed
        self.metric = metric

    @property
    def people(self) -> int:
        """The number of held-out identities with two photos or more."""
        return int((np.bincount(self.manifest.labels) >= 2).sum())

    @property
    def can_choose(self) -> bool:
        """Whether there are enough people to choose the best epoch."""
        return self.people >= ENOUGH

    def require_measurable(self) -> None:
        """Check that the metric can be measured on these photos.

        Raises:
            InputError: there are too few pairs for its FAR.
        """
        if self.metric.kind == "tar":
            drawn = draw_pairs(self.manifest.labels, limit=PAIRS, seed=self.seed)
            require_measurable(self.metric, int((~drawn.same).sum()))

    def measure(
        self, embedder: Embedder, interrupt: Callable[[], bool] = lambda: False
    ) -> Validated:
        """Verification over all pairs of the held-out photos (or a sample of 200,000 a kind).

        Args:
            embedder: to validate.
            interrupt: called before each batch of photos, and before the pairs.

        Raises:
            Interruption: ``interrupt`` returned True.
            BadWeights: an embedding is zero or not finite.
        """
        manifest = self.manifest
        with interruptible(embedder.module, interrupt):
            vectors, norms, rows = embedded(embedder, manifest, self.pixels)
        if interrupt():
            raise Interruption
        require_nonzero(vectors, "held-out photos")
        labels, people = manifest.labels[rows], len(manifest.identities)
        pairs, present = scored(vectors, labels, self.seed)
        auc, other = _over_all(auc_estimate(pairs), present, people), None
        if self.metric != AUC:
            other = estimate_of(self.metric, vectors, labels, pairs, present, people, self.seed)
        return Validated(
            verification(pairs.scores, pairs.same), auc, pairs, mean_cosine(vectors), norms,
            self.metric, other,
        )  # fmt: skip


def embedded(
    embedder: Embedder, manifest: Manifest, pixels: Tensor | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """The unit-length embeddings of photos [N,D], their lengths before, and their rows.

    Args:
        embedder: of the network.
        manifest: the photos; those that cannot be read are left out.
        pixels: their pixels, if they are kept in memory.
    """
    if pixels is None:
        found = embedder.embed_rows(manifest, slice(0, len(manifest)), on_bad_image="skip")
        return found.vectors, found.norms, np.asarray(found.rows, np.int64)
    raw = torch.from_numpy(embedder.embed_pixels(pixels, normalize=False))
    directions, lengths = unit_and_length(raw)
    return directions.numpy(), lengths.numpy(), np.arange(len(pixels))


def score(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], seed: int, people: int
) -> tuple[ScoredPairs, AucEstimate]:
    """All pairs of embeddings (or a sample of 200,000 a kind) with their cosines, and the AUC.

    Args:
        vectors: [N,D].
        labels: the person of each, from 0 to ``people`` - 1.
        seed: draws the pairs if there are too many.
        people: the influence on the AUC is given for so many, 0 for those without a pair here.

    Raises:
        InputError: no person has two photos, or there is only one person.
    """
    pairs, present = scored(vectors, labels, seed)
    return pairs, _over_all(auc_estimate(pairs), present, people)


def scored(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], seed: int
) -> tuple[ScoredPairs, NDArray[np.int64]]:
    """The pairs of ``score``, and the people in them, in the order of their numbers there.

    Raises:
        InputError: no person has two photos, or there is only one person.
    """
    drawn = draw_pairs(labels, limit=PAIRS, seed=seed)
    left, right = np.asarray(drawn.left), np.asarray(drawn.right)
    scores = pair_scores(vectors, left, right)
    pairs = scored_pairs(scores, drawn.same, labels[left], labels[right])
    return pairs, np.union1d(labels[left], labels[right])


def _over_all(found: AucEstimate, present: NDArray[np.int64], people: int) -> AucEstimate:
    """The estimate with an influence for each of ``people``, 0 for those that are not present."""
    influence = np.zeros(people)
    influence[present] = found.influence
    return replace(found, influence=influence)


def require_nonzero(vectors: NDArray[np.float32], what: str) -> None:
    """Check that none of the embeddings [N, D] is zero, as those of a diverged network are.

    Raises:
        BadWeights: says how many are zero, of ``what``.
    """
    if zero := int((~vectors.any(axis=1)).sum()):
        raise BadWeights(f"{zero:,} of {len(vectors):,} {what} have zero embeddings")


@contextmanager
def interruptible(module: nn.Module, interrupt: Callable[[], bool]) -> Iterator[None]:
    """Within the block, call ``interrupt`` before each forward pass of ``module``.

    Raises:
        Interruption: ``interrupt`` returned True.
    """

    def check(*_: Any) -> None:
        if interrupt():
            raise Interruption

    hook = module.register_forward_pre_hook(check)
    try:
        yield
    finally:
        hook.remove()


def calibrated(validated: Validated, seed: int) -> Calibrated:
    """The calibration and the operating points of a validated network.

    The main operating point is at the smallest FMR of 1e-3, 1e-2 and 1e-1 that the number of
    pairs allows to measure.
    """
    return calibrate_pairs(validated.pairs, replicates=REPLICATES, seed=seed)
