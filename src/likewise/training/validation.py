"""Validation: the accuracy of the network on identities that it is not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from likewise.data.embeddings import NORM
from likewise.data.manifest import Manifest
from likewise.data.pairs import draw_pairs
from likewise.distances.resolution import mean_cosine
from likewise.distances.similarity import unit_and_length
from likewise.evaluation.calibration.fit import Calibrated, calibrate_pairs
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.verification.metrics import Verification, pair_scores, verification
from likewise.models.embedder import Embedder
from likewise.models.inference import BadWeights

__all__ = [
    "ENOUGH",
    "Interruption",
    "Validated",
    "Validation",
    "calibrated",
    "interruptible",
    "require_nonzero",
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
        pairs: the scored pairs that they were computed from.
        mean_cosine: between different photos; near 1, all photos have nearly the same embedding.
        norms: the length of each photo's raw embedding, [N].
    """

    verification: Verification
    pairs: ScoredPairs
    mean_cosine: float
    norms: NDArray[np.float32]


class Validation:
    """Verification on pairs of the held-out photos, the same pairs after every epoch.

    Args:
        manifest: the photos of held-out identities.
        pixels: their pixels, if they are kept in memory.
        seed: draws the pairs if there are too many.
    """

    def __init__(self, manifest: Manifest, pixels: Tensor | None, seed: int) -> None:
        self.manifest = manifest
        self.pixels = pixels
        self.seed = seed

    @property
    def people(self) -> int:
        """The number of held-out identities with two photos or more."""
        return int((np.bincount(self.manifest.labels) >= 2).sum())

    @property
    def can_choose(self) -> bool:
        """Whether there are enough people to choose the best epoch."""
        return self.people >= ENOUGH

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
        with interruptible(embedder.module, interrupt):
            if self.pixels is not None:
                raw = torch.from_numpy(embedder.embed_pixels(self.pixels, normalize=False))
                directions, lengths = unit_and_length(raw)
                vectors, norms = directions.numpy(), lengths.numpy()
                labels = self.manifest.labels
            else:
                embeddings, _ = embedder.embed_manifest(self.manifest, on_bad_image="skip")
                vectors, labels = embeddings.vectors, embeddings.labels
                norms = embeddings.items[NORM].to_numpy()
        if interrupt():
            raise Interruption
        require_nonzero(vectors, "held-out photos")
        pairs = draw_pairs(labels, limit=PAIRS, seed=self.seed)
        left, right = np.asarray(pairs.left), np.asarray(pairs.right)
        scores = pair_scores(vectors, left, right)
        return Validated(
            verification(scores, pairs.same),
            scored_pairs(scores, pairs.same, labels[left], labels[right]),
            mean_cosine(vectors),
            norms,
        )


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
