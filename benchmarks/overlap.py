"""Identities in both a training and a test set under different names: share found, false alarms.

The people of LFW with at least two photos are split into two sets that share 5 % of them, with half
of their photos in each; embeddings of the reference model.

python -m benchmarks.overlap [--quick] [--json FILE]

The folder of real data is named by LIKEWISE_DATA.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Result, arguments, report, row
from likewise.data.embeddings import read_embeddings
from likewise.inspection.centroids import make_centroids
from likewise.inspection.same_person import identity_overlap

SHARED = 0.05
SEEDS = range(20)


@dataclass(frozen=True)
class Outcome:
    """The share of shared identities found, and of other identities matched wrongly."""

    found: float
    false_alarms: float


def reference_people(lfw: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit-length embeddings and labels of the people with at least two photos."""
    stored = read_embeddings(
        lfw / "reference_embeddings_128.npy", lfw / "reference_embeddings_files.txt"
    )
    counts = np.bincount(stored.labels)
    several = counts[stored.labels] > 1
    vectors = stored.vectors[several]
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    _, labels = np.unique(stored.labels[several], return_inverse=True)
    return units, labels.astype(np.int64)


def measure(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    seed: int,
    shared: float = SHARED,
    false_alarms: float = 0.01,
) -> Outcome:
    """Split the people into two sets, search for those in both, and count."""
    random = np.random.default_rng(seed)
    people = random.permutation(int(labels.max()) + 1)
    both = people[: round(shared * len(people))]
    alone = people[len(both) :]
    in_train = np.isin(labels, alone[: len(alone) // 2])
    in_test = np.isin(labels, alone[len(alone) // 2 :])
    for person in both:
        rows = random.permutation(np.flatnonzero(labels == person))
        # An odd number of photos is rounded up or down at random.
        half = (len(rows) + int(random.integers(2))) // 2
        in_train[rows[:half]] = in_test[rows[half:]] = True
    train, test = (
        make_centroids(vectors[side], labels[side], len(people)) for side in (in_train, in_test)
    )
    pairs = identity_overlap(train, test, false_alarms)
    right = {pair.right for pair in pairs if pair.left == pair.right}
    named = {pair.right for pair in pairs}
    others = set(np.flatnonzero(test.sizes).tolist()) - set(both.tolist())
    return Outcome(len(right) / max(len(both), 1), len(named & others) / len(others))


def results(*, quick: bool) -> list[Result]:
    data = os.environ.get("LIKEWISE_DATA")
    if not data:
        print("overlap: skipped; set LIKEWISE_DATA to the folder of real data", file=sys.stderr)
        return []
    photos = reference_people(Path(data) / "lfw")
    outcomes = [measure(*photos, seed=seed) for seed in (SEEDS[:5] if quick else SEEDS)]
    found = [outcome.found for outcome in outcomes]
    alarms = [outcome.false_alarms for outcome in outcomes]
    return [
        row("overlap.found_mean", float(np.mean(found)), "", ">= 0.9", np.mean(found) >= 0.9),
        row("overlap.found_lowest", min(found), "", ">= 0.9", min(found) >= 0.9),
        row("overlap.false_alarms_mean", float(np.mean(alarms)), "", "<= 0.01",
            np.mean(alarms) <= 0.01),
        row("overlap.false_alarms_highest", max(alarms), "", "<= 0.01", max(alarms) <= 0.01),
    ]  # fmt: skip


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
