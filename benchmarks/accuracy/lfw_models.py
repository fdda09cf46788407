"""Models of faces and the ways to compare two photos with them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.exceptions import ConvergenceWarning

from benchmarks.accuracy.clock import Clock
from benchmarks.accuracy.lfw_parts import balanced_pairs
from benchmarks.accuracy.scores import unit_rows
from benchmarks.accuracy.training import in_order, temporary_run, train_default
from likewise.data.images import decode
from likewise.data.manifest import Manifest
from likewise.data.pairs import Pairs, match_names
from likewise.evaluation.verification.lfw_accuracy import best_threshold
from likewise.evaluation.verification.metrics import verification
from likewise.metriclearn import JointBayesian
from likewise.models.embedder import Embedder

SCALES = (1.0, 0.92, 0.84)  # of the side, cut from the middle

Vectors = NDArray[np.float32]
Scores = NDArray[np.float64]
Compare = Callable[[Vectors, Vectors], Scores]


@dataclass(frozen=True)
class Variant:
    """A way to compare photos.

    Args:
        view: ``photo``; ``flip``, with the mirror image; ``crops``, three scales with theirs.
        joint_bayesian: compare by Joint Bayesian, fitted on the training people, not the cosine.
    """

    view: str
    joint_bayesian: bool = False


VARIANTS = {
    "cosine": Variant("photo"),
    "flip": Variant("flip"),
    "crops": Variant("crops"),
    "joint bayesian": Variant("photo", joint_bayesian=True),
    "crops, joint bayesian": Variant("crops", joint_bayesian=True),
}


def trained(
    training: Manifest, settings: Sequence[str], budget: float, seed: int, members: int
) -> tuple[list[Embedder], float]:
    """Models that differ in their seeds, each with the budget; and the CPU seconds of all."""
    clock, found = Clock(), []
    for member in range(members):
        with temporary_run() as run:
            found.append(train_default(training, run, budget, 1000 * member + seed, settings))
    return found, clock.seconds


def embedded(models: Sequence[Embedder], manifest: Manifest, view: str) -> Vectors:
    """The embeddings of all models side by side, of unit length together, [N,M·D]."""
    parts = []
    for model in models:
        if view == "crops":
            parts.append(of_crops(model, manifest))
        else:
            parts.append(in_order(model, manifest, flip=view == "flip"))
    return unit_rows(np.concatenate(parts, axis=1))


def of_crops(model: Embedder, manifest: Manifest) -> Vectors:
    """The mean direction of three sizes of crop and their mirror images, [N,D]."""
    channels = model.preprocess.channels
    total: Vectors | float = 0.0
    for scale in SCALES:
        crops = (middle(decode(photo, channels=channels), scale) for photo in manifest.photos())
        total = total + model.embed(crops, flip=True)
    return unit_rows(np.asarray(total))


def middle(image: Image.Image, scale: float) -> Image.Image:
    """The middle of a photo, this fraction of its sides."""
    width, height = image.size
    left, top = round(width * (1 - scale) / 2), round(height * (1 - scale) / 2)
    return image.crop((left, top, width - left, height - top))


def cosine(left: Vectors, right: Vectors) -> Scores:
    """Of each pair of unit rows."""
    found: Scores = np.einsum("ij,ij->i", left, right, dtype=np.float64)
    return found


def comparison(models: Sequence[Embedder], training: Manifest, variant: Variant) -> Compare:
    """How a variant scores pairs; Joint Bayesian is fitted on the training people."""
    if not variant.joint_bayesian:
        return cosine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # steps are limited on purpose
        vectors = embedded(models, training, variant.view).astype(np.float64)
        model = JointBayesian(shrinkage="auto", max_iter=100).fit(vectors, training.labels)
    return model.score_pairs


def on_held_out(
    models: Sequence[Embedder], training: Manifest, held_out: Manifest, variant: Variant
) -> tuple[float, float, float]:
    """On pairs of people who were held out: AUC, accuracy, and the threshold with the highest."""
    compare = comparison(models, training, variant)
    pairs, rows = balanced_pairs(held_out.labels)
    vectors = embedded(models, held_out.take(rows), variant.view)
    scores = compare(vectors[np.asarray(pairs.left)], vectors[np.asarray(pairs.right)])
    threshold = best_threshold(scores, pairs.same)
    right = float(((scores >= threshold) == pairs.same).mean())
    return verification(scores, pairs.same, (1e-2,)).auc, right, threshold


def on_pairs(
    models: Sequence[Embedder],
    training: Manifest,
    photos: Manifest,
    pairs: Pairs,
    variant: Variant,
    threshold: float,
) -> tuple[float, float]:
    """On the pairs of the test: AUC, and accuracy at a threshold that was chosen before."""
    compare = comparison(models, training, variant)
    vectors = embedded(models, photos, variant.view)
    found, _ = match_names(pairs, photos.names)
    scores = compare(vectors[np.asarray(found.left)], vectors[np.asarray(found.right)])
    right = float(((scores >= threshold) == found.same).mean())
    return verification(scores, found.same, (1e-2,)).auc, right
