"""All pairs, streamed, against a list of them: exact if all are kept, else within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.data.pairs import draw_pairs
from likewise.distances import parse_distance
from likewise.errors import InputError
from likewise.evaluation.intervals.bootstrap import bootstrap
from likewise.evaluation.intervals.scored_pairs import scored_pairs
from likewise.evaluation.intervals.stratified_pairs import pairs_for_bootstrap
from likewise.evaluation.verification import pair_blocks
from likewise.evaluation.verification.all_pairs import AllPairs, verify_all_pairs
from likewise.evaluation.verification.metrics import Verification, pair_scores, verification

FARS = (0.5, 0.1, 1e-2, 1e-3)


def listed(vectors: np.ndarray, labels: np.ndarray, distance: object = None) -> Verification:
    pairs = draw_pairs(labels)
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    return verification(pair_scores(vectors, left, right, distance), pairs.same, FARS)


def people(count: int, each: int, dimension: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(count), each))
    person = random.normal(size=(count, dimension))
    vectors = person[labels] + 0.8 * random.normal(size=(len(labels), dimension))
    return vectors.astype(np.float32), labels


def same_numbers(found: Verification, expected: Verification) -> None:
    assert (found.genuine, found.impostor) == (expected.genuine, expected.impostor)
    assert found.auc == pytest.approx(expected.auc, abs=1e-12)
    assert found.eer == pytest.approx(expected.eer, abs=1e-12)
    assert found.d_prime == pytest.approx(expected.d_prime)
    for a, b in zip(found.tar_at_far, expected.tar_at_far, strict=True):
        assert (a.tar, a.far) == (b.tar, b.far)
        assert a.threshold == pytest.approx(b.threshold, abs=1e-12)
    for c, d in zip(found.min_dcf, expected.min_dcf, strict=True):
        assert c.cost == pytest.approx(d.cost)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from(["dot", "manhattan", "chebyshev"]))
def test_small_sets_with_ties_are_as_listed(seed: int, name: str) -> None:
    """Small whole numbers: every score is exact, and most tie."""
    random = np.random.default_rng(seed)
    labels = np.concatenate([[0, 0, 1], random.integers(0, 4, 20)])
    vectors = random.integers(-1, 2, (len(labels), 3)).astype(np.float32)
    distance = parse_distance(name)
    found = verify_all_pairs(vectors, labels, distance=distance, fars=FARS)
    expected = listed(vectors, labels, distance)
    same_numbers(found.measured, expected)
    np.testing.assert_array_equal(found.measured.roc.threshold, expected.roc.threshold)
    np.testing.assert_array_equal(found.measured.roc.tar, expected.roc.tar)
    assert (found.auc_error, found.eer_error, found.exact_above) == (0.0, 0.0, -np.inf)
    assert set(found.tar_error) <= {0.0, None}


@pytest.mark.parametrize("name", ["cosine", "euclidean"])
def test_the_size_of_blocks_does_not_matter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = people(40, 5, 6)
    expected = listed(vectors, labels, parse_distance(name))
    for rows, columns in ((7, 11), (64, 3), (1000, 1000)):
        monkeypatch.setattr(pair_blocks, "ROWS", rows)
        monkeypatch.setattr(pair_blocks, "COLUMNS", columns)
        found = verify_all_pairs(vectors, labels, distance=parse_distance(name), fars=FARS)
        same_numbers(found.measured, expected)
        pairs = set(zip(found.genuine_left.tolist(), found.genuine_right.tolist(), strict=True))
        assert len(pairs) == found.measured.genuine
        assert all(labels[a] == labels[b] and a != b for a, b in pairs)


def within_its_bounds(found: AllPairs, expected: Verification) -> None:
    measured = found.measured
    assert abs(measured.auc - expected.auc) <= found.auc_error + 1e-12
    assert abs(measured.eer - expected.eer) <= found.eer_error + 1e-12
    for entry, truth, error in zip(
        measured.tar_at_far, expected.tar_at_far, found.tar_error, strict=True
    ):
        if entry.tar is None or truth.tar is None or error is None:
            assert (entry.tar, truth.tar, error) == (None, None, None)
            continue
        assert entry.tar - 1e-12 <= truth.tar <= entry.tar + error + 1e-12
        assert entry.far is not None
        assert entry.far <= entry.target


@pytest.mark.parametrize("keep", [1, 10, 300, 5000])
@pytest.mark.parametrize("bins", [16, 2**20])
def test_errors_are_within_their_bounds(
    keep: int, bins: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("top_pairs", "all_pairs"):
        monkeypatch.setattr(f"likewise.evaluation.verification.{module}.BINS", bins)
    vectors, labels = people(50, 4, 5)
    found = verify_all_pairs(vectors, labels, fars=FARS, keep=keep)
    expected = listed(vectors, labels)
    within_its_bounds(found, expected)
    assert len(found.nearest_scores) <= keep
    assert (found.nearest_scores > found.exact_above).all()
    exact = expected.at(1e-3)
    if keep > 40:  # 19,700 impostor pairs: the FAR of 1e-3 lies within what was kept
        assert found.measured.at(1e-3) == pytest.approx(exact) or (
            found.measured.at(1e-3).tar == exact.tar
        )
        assert found.tar_error[3] == 0.0
    if bins == 2**20:
        assert found.auc_error < 1e-5


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_ties_at_the_cut_stay_together(seed: int, keep: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.concatenate([[0, 0, 1], random.integers(0, 4, 20)])
    vectors = random.integers(-1, 2, (len(labels), 2)).astype(np.float32)
    distance = parse_distance("dot")
    found = verify_all_pairs(vectors, labels, distance=distance, fars=FARS, keep=keep)
    within_its_bounds(found, listed(vectors, labels, distance))
    assert len(found.nearest_scores) <= keep


def test_stratified_pairs_give_the_intervals_of_all_pairs() -> None:
    vectors, labels = people(60, 4, 5)
    pairs = draw_pairs(labels)
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    every = scored_pairs(pair_scores(vectors, left, right), pairs.same, labels[left], labels[right])
    found = verify_all_pairs(vectors, labels, keep=2000)
    sample = pairs_for_bootstrap(found, vectors, labels, limit=5000)
    assert len(sample) < 8000
    full = bootstrap(every, (1e-1, 1e-2), replicates=200)
    part = bootstrap(sample, (1e-1, 1e-2), replicates=200)
    for a, b in (
        (full.auc, part.auc),
        (full.at(1e-2).tar, part.at(1e-2).tar),
        (full.at(1e-1).tar, part.at(1e-1).tar),
    ):
        assert a is not None
        assert b is not None
        assert (b.value, b.low, b.high) == pytest.approx((a.value, a.low, a.high), abs=0.02)


@pytest.mark.parametrize(
    ("vectors", "labels", "problem"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], [0, 0], "only one identity"),
        ([[1.0, 0.0], [0.0, 1.0]], [0, 1], "no identity has two"),
        ([[1.0, 0.0], [np.nan, 1.0], [1.0, 1.0]], [0, 0, 1], "row 1 is not finite"),
        ([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], [0, 0, 1], "row 1 is zero"),
        ([[1.0, 0.0]], [0, 1], "must be"),
    ],
)
def test_wrong_use(vectors: list[list[float]], labels: list[int], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        verify_all_pairs(np.array(vectors, np.float32), labels)
    with pytest.raises(InputError, match="keep"):
        verify_all_pairs(np.eye(3, dtype=np.float32), [0, 0, 1], keep=0)
