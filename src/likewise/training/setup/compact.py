"""The recipe ``compact``: what it leaves to the photos."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.data.manifest import Manifest
from likewise.data.splits import with_photos
from likewise.machine import multiplies_bf16
from likewise.training.setup.photo_sample import PhotoSample

__all__ = [
    "SIZES",
    "compact_settings",
    "fixed_scale",
    "input_of",
    "steps_for",
    "worth_training_on",
]

SIZES = (64, 48)  # pixels: the side of the input; the smaller where time is short, or photos are
PASSES, PASSES_AT, FEWER = 200, 500, 0.35  # over the photos; with more photos fewer
LEAST_PASSES, LEAST_STEPS = 8, 300
BATCH = 64  # photos
# Identities with two photos or more, and their share of all photos, for which others are left out.
SEVERAL, SEVERAL_SHARE = 20, 1 / 3
LONG = 1.5  # photos longer than this keep their form: a line of text, a standing person


def worth_training_on(manifest: Manifest) -> Manifest:
    """The photos without those of identities that have a single one, if enough are left.

    A single photo has no other one to be like, and thousands of such identities drown the others.
    """
    several = with_photos(manifest, 2)
    enough = len(several) >= SEVERAL_SHARE * len(manifest)
    return several if enough and len(several.identities) >= SEVERAL else manifest


def compact_settings(
    manifest: Manifest, sample: PhotoSample, *, cpu: bool
) -> dict[str, dict[str, Any]]:
    """What the recipe leaves to the photos and the machine, by section.

    Args:
        manifest: the photos to train on.
        sample: what they are like.
        cpu: whether a CPU trains.
    """
    photos, counts = len(manifest), np.bincount(manifest.labels)
    passes = _passes(photos)
    batch = _batch(counts)
    changes: dict[str, dict[str, Any]] = {
        "input": input_of(sample, SIZES[0]),
        "batch": batch,
        "loss": {"scale": round(fixed_scale(len(counts)), 2)},
        "schedule": {"steps": steps_for(photos, batch["images"] * batch["identities"])},
        "model": {"dropout": round(0.5 * min(1.0, passes / 100), 2)},
    }
    if sample.drawings:  # a mirrored character is another one
        changes["augment"] = {"flip": 0.0}
    if cpu and multiplies_bf16():
        changes["training"] = {"precision": "bf16"}
    return changes


def _passes(photos: int) -> float:
    fewer: float = (PASSES_AT / photos) ** FEWER
    return max(LEAST_PASSES, PASSES * min(1.0, fewer))


def steps_for(photos: int, batch: int) -> int:
    """The steps that these photos are worth, in batches of this size."""
    return max(LEAST_STEPS, math.ceil(_passes(photos) * photos / min(batch, max(2, photos))))


def _batch(counts: NDArray[np.int64]) -> dict[str, Any]:
    """A batch of 64 photos: of each identity as many as the typical photo's has, 2 to 4.

    Where some have more photos than others they are drawn more often: else half of the batches show
    identities with two photos, which the network soon knows by heart.
    """
    images = int(min(4, max(2, np.median(np.repeat(counts, counts)))))
    found = {"images": images, "identities": max(2, min(BATCH // images, len(counts)))}
    uneven = counts.min() > 1 and counts.max() > counts.min()
    return found | {"draw": "by_photos" if uneven else "equally"}


def fixed_scale(classes: int) -> float:
    """The scale of a normalised softmax, √2·ln(C-1), at least 3.

    Source: AdaCos (Zhang et al., arXiv 1905.00292), section 3.3: the fixed scale.

    Example:
        >>> round(fixed_scale(40), 2)
        5.18
    """
    return max(3.0, math.sqrt(2) * math.log(max(2, classes - 1)))


def input_of(sample: PhotoSample, side: int) -> dict[str, Any]:
    """The input of the network: about ``side`` squared; less for smaller photos, 32 at least."""
    side = max(32, min(side, 16 * (min(sample.height, sample.width) // 16)))
    height = width = side
    if not 1 / LONG < sample.aspect < LONG:
        stretch = math.sqrt(min(4.0, max(0.25, sample.aspect)))
        height, width = (max(16, 8 * round(side * s / 8)) for s in (1 / stretch, stretch))
    return {"height": height, "width": width, "channels": 1 if sample.gray else 3}
