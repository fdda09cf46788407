"""How the network does on identities that it is not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from likewise.data.manifest import Manifest
from likewise.data.pairs import draw_pairs
from likewise.distances.resolution import mean_cosine
from likewise.evaluation.calibration.fit import Calibrated, calibrate_pairs
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.verification.metrics import Verification, pair_scores, verification
from likewise.models.embedder import Embedder
from likewise.models.inference import BadWeights

__all__ = [
    "ENOUGH",
    "GaveUp",
    "Validated",
    "Validation",
    "asking",
    "calibrated",
    "require_directions",
]

REPLICATES = 200  # of the bootstrap: a second for the most pairs
ENOUGH = 10  # people, to choose an epoch by: with fewer the AUC depends on who was drawn
PAIRS = 200_000  # of each kind: enough for FAR = 1e-4, small enough for every epoch


class GaveUp(Exception):
    """A validation that was stopped before it came to its end."""


@dataclass(frozen=True)
class Validated:
    """What one validation measured.

    Args:
        verification: the numbers.
        pairs: what they were measured on.
        mean_cosine: between different photos: near 1, the network answers all of them alike.
    """

    verification: Verification
    pairs: ScoredPairs
    mean_cosine: float


class Validation:
    """The held-out photos, and the pairs of them, the same at every epoch.

    Args:
        manifest: the photos of held-out identities.
        pixels: their pixels, if they are kept in memory.
        seed: draws the pairs where there are very many.
    """

    def __init__(self, manifest: Manifest, pixels: Tensor | None, seed: int) -> None:
        self.manifest = manifest
        self.pixels = pixels
        self.seed = seed

    @property
    def people(self) -> int:
        """The held-out identities with two photos or more."""
        return int((np.bincount(self.manifest.labels) >= 2).sum())

    @property
    def can_choose(self) -> bool:
        """Whether they are enough to tell which epoch is the best."""
        return self.people >= ENOUGH

    def measure(self, embedder: Embedder, give_up: Callable[[], bool] = lambda: False) -> Validated:
        """Verification over all pairs of the held-out photos (or a sample of 200,000 a kind).

        Args:
            embedder: what is measured.
            give_up: asked before each batch of photos, and before the pairs.

        Raises:
            GaveUp: it said so.
            BadWeights: photos are answered with what has no direction.
        """
        with asking(embedder.module, give_up):
            if self.pixels is not None:
                vectors, labels = embedder.embed_pixels(self.pixels), self.manifest.labels
            else:
                embeddings, _ = embedder.embed_manifest(self.manifest, on_bad_image="skip")
                vectors, labels = embeddings.vectors, embeddings.labels
        if give_up():
            raise GaveUp
        require_directions(vectors, "held-out photos")
        pairs = draw_pairs(labels, limit=PAIRS, seed=self.seed)
        left, right = np.asarray(pairs.left), np.asarray(pairs.right)
        scores = pair_scores(vectors, left, right)
        return Validated(
            verification(scores, pairs.same),
            scored_pairs(scores, pairs.same, labels[left], labels[right]),
            mean_cosine(vectors),
        )


def require_directions(vectors: NDArray[np.float32], what: str) -> None:
    """Refuse embeddings [N, D] of which some are zero: a network that has diverged.

    Raises:
        BadWeights: says how many are, of ``what``.
    """
    if zero := int((~vectors.any(axis=1)).sum()):
        raise BadWeights(f"{zero:,} of {len(vectors):,} {what} are answered with zeros")


@contextmanager
def asking(module: nn.Module, give_up: Callable[[], bool]) -> Iterator[None]:
    """Ask before each batch that the network sees, wherever its photos come from.

    Raises:
        GaveUp: the answer was yes.
    """

    def ask(*_: Any) -> None:
        if give_up():
            raise GaveUp

    hook = module.register_forward_pre_hook(ask)
    try:
        yield
    finally:
        hook.remove()


def calibrated(validated: Validated, seed: int) -> Calibrated:
    """The calibration and the operating points for a network that is kept.

    The one that decides is at the smallest FMR of 1e-3, 1e-2 and 1e-1 that the pairs can show.
    """
    return calibrate_pairs(validated.pairs, replicates=REPLICATES, seed=seed)
