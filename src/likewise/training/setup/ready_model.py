"""Faces: what a ready model gives without any training, by a sample of the photos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from likewise.data.manifest import Manifest
from likewise.data.pairs import draw_pairs
from likewise.errors import LikewiseError
from likewise.evaluation.intervals.auc_estimate import auc_estimate, auc_text
from likewise.evaluation.intervals.scored_pairs import scored_pairs
from likewise.evaluation.verification.metrics import pair_scores
from likewise.faces.aligned_set.notice import sample_alignment
from likewise.models.loading import load

__all__ = ["ready_model_line"]

READY = "sface"
PEOPLE, EACH = 24, 4  # photos embedded: two seconds
FEWEST = 5  # people, below which nothing is concluded
FACES = 0.5  # the share of photos with a face in a set of faces


def ready_model_line(manifest: Manifest) -> str | None:
    """One line: how well SFace tells these people apart as it is; None if it does not apply.

    It applies to faces that are aligned. The others are noticed by the command line: alignment
    comes first. Nothing is said without the extra ``faces``, or of fewer than five people.
    """
    rows = _sampled(manifest)
    if len(rows) < 2 * FEWEST:
        return None
    try:
        seen = sample_alignment(manifest)
        if seen.not_aligned or len(seen.offsets) < FACES * max(1, seen.seen):
            return None
        some = manifest.take(rows)
        embeddings, _ = load(READY).embed_manifest(some, on_bad_image="skip")
    except LikewiseError:  # the extra is missing, or the photos are broken: training says so
        return None
    labels = embeddings.labels
    pairs = draw_pairs(labels)
    if not pairs.same.any() or pairs.same.all():
        return None
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    scores = pair_scores(embeddings.vectors, left, right)
    found = auc_estimate(scored_pairs(scores, pairs.same, labels[left], labels[right]))
    return (
        f"these are faces: {READY}, a ready model, has AUC {auc_text(found.interval())} on "
        f"{found.people} of these identities without training; --from {READY} starts from it"
    )


def _sampled(manifest: Manifest) -> NDArray[np.int64]:
    """The rows of up to four photos of each of up to 24 people with two or more."""
    labels = manifest.labels
    people = np.flatnonzero(np.bincount(labels) >= 2)
    drawn = np.random.default_rng(0).permutation(people)[:PEOPLE]
    if len(drawn) < FEWEST:
        return np.empty(0, np.int64)
    return np.concatenate([np.flatnonzero(labels == person)[:EACH] for person in drawn])
