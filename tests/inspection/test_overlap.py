"""People of two sets under other names: found against planted, made up and real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.overlap import measure, reference_people

from likewise.inspection.centroids import make_centroids
from likewise.inspection.same_person import identity_overlap
from tests.inspection.planted import people, photos_of


@pytest.mark.parametrize("seed", range(3))
def test_planted_people_are_found_under_other_names(seed: int) -> None:
    random = np.random.default_rng(seed)
    left = np.repeat(np.arange(300), random.integers(1, 6, 300))
    right = np.repeat(np.arange(200), random.integers(1, 6, 200))
    who = people(490, seed)
    truth = np.where(right < 10, right, right + 290)  # ten are in both
    train = make_centroids(photos_of(who[left], seed), left, 300)
    test = make_centroids(photos_of(who[truth], seed + 50), right, 200)
    found = identity_overlap(train, test)
    hits = {(n, n) for n in range(10)} & {(pair.left, pair.right) for pair in found}
    assert len(hits) >= 9
    assert len({pair.right for pair in found} - set(range(10))) <= 0.02 * 190 + 1
    assert [pair.p_value for pair in found] == sorted(pair.p_value for pair in found)


def test_a_set_against_itself_finds_everybody() -> None:
    labels = np.repeat(np.arange(60), 4)
    centroids = make_centroids(photos_of(people(60, 0)[labels], 0), labels, 60)
    found = identity_overlap(centroids, centroids)
    assert {(n, n) for n in range(60)} <= {(pair.left, pair.right) for pair in found}


@pytest.mark.parametrize("seed", [0, pytest.param(None, marks=pytest.mark.slow)])
def test_faces_of_train_and_test_that_share_one_in_twenty(
    seed: int | None, shared_data: Path
) -> None:
    """LFW's people with several photos, half of the photos on each side."""
    photos = reference_people(shared_data / "lfw")
    for number in range(10) if seed is None else [seed]:
        outcome = measure(*photos, seed=number)
        assert outcome.found >= 0.9, number
        assert outcome.false_alarms <= 0.01, number
