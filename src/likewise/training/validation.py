"""How the network does on identities that it is not trained on."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from likewise.data.manifest import Manifest
from likewise.data.pairs import draw_pairs
from likewise.evaluation.verification import Verification, pair_scores, verification
from likewise.models.embedder import Embedder
from likewise.models.operating_point import OperatingPoint

__all__ = ["Validation", "operating_point"]

PAIRS = 200_000  # of each kind: enough for FAR = 1e-4, small enough for every epoch


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

    def measure(self, embedder: Embedder) -> Verification:
        """Verification over all pairs of the held-out photos (or a sample of 200,000 a kind)."""
        if self.pixels is not None:
            vectors, labels = embedder.embed_pixels(self.pixels), self.manifest.labels
        else:
            embeddings, _ = embedder.embed_manifest(self.manifest, on_bad_image="skip")
            vectors, labels = embeddings.vectors, embeddings.labels
        pairs = draw_pairs(labels, limit=PAIRS, seed=self.seed)
        left, right = np.asarray(pairs.left), np.asarray(pairs.right)
        return verification(pair_scores(vectors, left, right), pairs.same)


def operating_point(measured: Verification) -> OperatingPoint | None:
    """The threshold at the smallest FAR of 1e-3, 1e-2 and 1e-1 that the pairs can measure."""
    for target in (1e-3, 1e-2, 1e-1):
        entry = measured.at(target)
        if entry.threshold is not None and entry.tar is not None and entry.far is not None:
            return OperatingPoint(
                entry.threshold, entry.far, entry.tar, measured.genuine, measured.impostor
            )
    return None
