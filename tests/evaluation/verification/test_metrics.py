"""Verification numbers against plain loops, scikit-learn and LFW's published result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from likewise.data.embeddings import read_embeddings
from likewise.data.pairs import match_names
from likewise.data.protocols import read_pairs
from likewise.errors import InputError
from likewise.evaluation.experiment import evaluate
from likewise.evaluation.verification.lfw_accuracy import best_threshold, fold_accuracy
from likewise.evaluation.verification.metrics import pair_scores, roc, verification

# Few distinct scores make many ties, which is where definitions differ.
SCORED = st.lists(
    st.tuples(st.integers(0, 6).map(lambda n: n / 4), st.booleans()), min_size=4, max_size=40
).filter(lambda pairs: 0 < sum(same for _, same in pairs) < len(pairs))


@settings(deadline=None)
@given(SCORED, st.sampled_from([0.05, 0.1, 0.3, 0.5, 1.0]))
def test_against_a_plain_loop(pairs: list[tuple[float, bool]], target: float) -> None:
    scores, same = zip(*pairs, strict=True)
    found = verification(scores, same, (target,))
    genuine = [s for s, y in pairs if y]
    impostor = [s for s, y in pairs if not y]
    wins = sum((g > i) + 0.5 * (g == i) for g in genuine for i in impostor)
    assert found.auc == pytest.approx(wins / (len(genuine) * len(impostor)))
    best = 0.0
    for threshold in [*sorted(set(scores)), 9.0]:
        far = sum(s >= threshold for s in impostor) / len(impostor)
        if far <= target + 1e-12:
            best = max(best, sum(s >= threshold for s in genuine) / len(genuine))
    entry = found.at(target)
    if target * len(impostor) < 1:
        assert entry.tar is None
    else:
        assert entry.tar == pytest.approx(best)
        assert entry.far is not None
        assert entry.threshold is not None
        assert entry.far <= target + 1e-12
        assert sum(s >= entry.threshold for s in genuine) / len(genuine) == pytest.approx(best)
        assert sum(s >= entry.threshold for s in impostor) / len(impostor) == entry.far


@settings(deadline=None)
@given(SCORED)
def test_against_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    scores, same = zip(*pairs, strict=True)
    assert verification(scores, same).auc == pytest.approx(roc_auc_score(same, scores))
    curve = roc(scores, same)
    far, tar, threshold = roc_curve(same, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.far, far)
    np.testing.assert_allclose(curve.tar, tar)
    np.testing.assert_allclose(curve.threshold[1:], threshold[1:])


@settings(deadline=None)
@given(SCORED)
def test_the_equal_error_rate_lies_where_the_errors_cross(pairs: list[tuple[float, bool]]) -> None:
    scores, same = zip(*pairs, strict=True)
    found = verification(scores, same)
    frr = 1 - found.roc.tar
    # On the polygon of operating points, at the height where FAR = FRR.
    crossing = np.interp(0.0, found.roc.far - frr, found.roc.far)
    assert found.eer == pytest.approx(crossing)


def test_scores_of_two_normal_distributions_give_the_textbook_rates() -> None:
    """d′ = 2: EER = Φ(-1) and AUC = Φ(√2)."""
    random = np.random.default_rng(0)
    scores = np.concatenate([random.normal(2, 1, 200_000), random.normal(0, 1, 200_000)])
    found = verification(scores, np.arange(400_000) < 200_000)
    assert found.eer == pytest.approx(0.158655, abs=2e-3)
    assert found.auc == pytest.approx(0.921350, abs=2e-3)
    # FAR 1e-2 is at z = 2.326: TAR = Φ(2 - 2.326).
    assert found.at(1e-2).tar == pytest.approx(0.3721, abs=1e-2)
    assert found.at(1e-4).tar is not None


def test_a_far_that_cannot_be_measured_gives_none() -> None:
    found = verification([0.9, 0.8] + [0.1] * 99, [True, True] + [False] * 99, (1e-2, 1e-1))
    assert found.at(1e-2).tar is None
    assert found.at(1e-1).tar == 1.0


def test_an_impostor_with_the_highest_score_leaves_no_tar_at_a_small_far() -> None:
    found = verification([0.9, 0.9, 0.5, 0.1], [False, False, True, True], (0.5,))
    entry = found.at(0.5)
    assert (entry.tar, entry.far) == (0.0, 0.0)
    assert entry.threshold is not None
    assert entry.threshold > 0.9


@pytest.mark.parametrize(
    ("scores", "same", "problem"),
    [
        ([0.1, 0.2], [True, True], "no different-person pairs"),
        ([0.1, 0.2], [False, False], "no same-person pairs"),
        ([0.1, float("nan")], [True, False], "entry 1 is not finite"),
        ([0.1], [True, False], "must be one"),
    ],
)
def test_wrong_input(scores: list[float], same: list[bool], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        verification(scores, same)


def test_a_far_must_be_a_rate() -> None:
    with pytest.raises(InputError, match="far"):
        verification([0.1, 0.2], [True, False], (0.0,))


@settings(deadline=None)
@given(SCORED)
def test_the_best_threshold_against_trying_all(pairs: list[tuple[float, bool]]) -> None:
    scores, same = (np.array(column) for column in zip(*pairs, strict=True))
    distinct = np.unique(scores)
    middle = (distinct[1:] + distinct[:-1]) / 2
    tried = [distinct[0], *middle, np.nextafter(distinct[-1], np.inf)]
    right = [((scores >= t) == same).sum() for t in tried]
    assert best_threshold(scores, same) == max(
        t for t, count in zip(tried, right, strict=True) if count == max(right)
    )


def test_with_random_scores_accepting_all_or_none_is_best() -> None:
    """Nine in ten are of one kind and the scores are the wrong way round: .9, not .1 to .8."""
    scores = np.tile(np.arange(10) / 10, 2)
    fold = np.repeat([0, 1], 10)
    for kind, lone in ((True, 9), (False, 0)):
        same = np.where(np.tile(np.arange(10), 2) == lone, not kind, kind)
        assert fold_accuracy(scores, same, fold).mean == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("scores", "fold", "problem"),
    [
        ([0.1, float("nan"), 0.3, 0.4], [0, 0, 1, 1], "scores: entry 1 is not finite"),
        ([0.1, 0.2, 0.3], [0, 0, 1, 1], "scores and same: shapes"),
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 1], "fold: shape"),
    ],
)
def test_wrong_folds(scores: list[float], fold: list[int], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        fold_accuracy(scores, [True, False, True, False], fold)


@settings(deadline=None)
@given(SCORED, st.sampled_from([1.0, 0.5, 0.25, 0.05, 0.013]))
def test_tar_at_a_far_that_was_not_requested(
    pairs: list[tuple[float, bool]], target: float
) -> None:
    scores, same = zip(*pairs, strict=True)
    if all(same) or not any(same):
        return
    assert verification(scores, same).at(target) == verification(scores, same, (target,)).at(target)


def test_a_far_outside_its_range_has_no_entry() -> None:
    with pytest.raises(InputError, match="far: 1.5; must be a number above 0"):
        verification([0.1, 0.2], [True, False]).at(1.5)


def test_pair_scores_against_a_loop() -> None:
    vectors = np.random.default_rng(1).normal(size=(9, 5)).astype(np.float32)
    left, right = np.array([0, 3, 8, 2]), np.array([1, 3, 7, 4])
    for row, (a, b) in enumerate(zip(left, right, strict=True)):
        u, v = vectors[a].astype(float), vectors[b].astype(float)
        expected = u @ v / np.sqrt((u @ u) * (v @ v))
        assert pair_scores(vectors, left, right)[row] == pytest.approx(expected, abs=2**-21)
    vectors[3] = 0
    with pytest.raises(InputError, match="row 3 is zero"):
        pair_scores(vectors, left, right)


def test_a_row_has_cosine_1_with_itself_exactly() -> None:
    """Whatever rounding does to its length; so a photo is the same as itself at threshold 1."""
    vectors = np.random.default_rng(0).normal(size=(2000, 128)).astype(np.float32)
    own = np.arange(len(vectors))
    assert (pair_scores(vectors, own, own) == 1.0).all()
    both = np.concatenate([vectors, -vectors])
    opposite = pair_scores(both, own, own + len(vectors))
    assert (opposite >= -1.0).all()
    assert np.abs(opposite + 1).max() < 1e-14


def test_lfw_has_the_published_accuracy(shared_data: Path) -> None:
    lfw = shared_data / "lfw"
    embeddings = read_embeddings(
        lfw / "reference_embeddings_128.npy", lfw / "reference_embeddings_files.txt"
    )
    pairs = read_pairs(lfw / "protocol" / "pairs.txt")
    found = evaluate(embeddings, pairs)
    assert found.folds is not None
    assert round(100 * found.folds.mean, 3) == 99.367
    assert round(100 * found.folds.standard_error, 3) == 0.105
    assert found.missing == []
    matched, _ = match_names(pairs, embeddings.names)
    again = fold_accuracy(found.scores, matched.same, matched.fold)
    assert again == found.folds


def test_one_fold_has_no_fold_accuracy() -> None:
    with pytest.raises(InputError, match="needs two or more"):
        fold_accuracy([0.1, 0.2], [True, False], [0, 0])
