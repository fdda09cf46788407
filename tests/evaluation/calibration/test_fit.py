"""Calibration against closed forms and plain loops; on LFW, fitted on half of the people."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

import likewise
from likewise.data.embeddings import Embeddings, read_embeddings
from likewise.data.pairs import draw_pairs
from likewise.data.protocols import read_pairs
from likewise.errors import InputError
from likewise.evaluation.calibration.fit import (
    NotIncreasing,
    calibrate,
    calibrate_pairs,
    fit_calibration,
)
from likewise.evaluation.calibration.reliability import cllr, min_cllr, reliability
from likewise.evaluation.intervals.bootstrap import bootstrap
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.verification.metrics import pair_scores
from likewise.models.calibration import METHODS, Calibration

SCORED = st.lists(
    st.tuples(st.integers(0, 6).map(lambda n: n / 4), st.booleans()), min_size=4, max_size=40
).filter(lambda pairs: 0 < sum(same for _, same in pairs) < len(pairs))


def two_normals(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """ln N(s; 0.6, 0.2²) - ln N(s; 0.1, 0.2²) = 12.5 s - 4.375."""
    random = np.random.default_rng(seed)
    scores = np.concatenate([random.normal(0.6, 0.2, count), random.normal(0.1, 0.2, 3 * count)])
    return scores, np.arange(4 * count) < count


@pytest.mark.parametrize("method", METHODS)
def test_the_ratio_of_two_normals_is_found(method: str) -> None:
    scores, same = two_normals(50_000)
    found = fit_calibration(scores, same, method=method)
    places = np.linspace(0.1, 0.6, 11)
    expected = 12.5 * places - 4.375
    tolerance = 0.08 if method == "logistic" else 0.35
    np.testing.assert_allclose(found.log_likelihood_ratios(places), expected, atol=tolerance)
    assert found.probability(0.35) == pytest.approx(0.5, abs=0.08)
    odds = math.exp(found.log_likelihood_ratio(0.35)) * 0.01 / 0.99
    assert found.probability(0.35, prior=0.01) == pytest.approx(odds / (1 + odds))


@pytest.mark.parametrize("method", METHODS)
def test_fully_separated_scores_have_a_finite_fit(method: str) -> None:
    found = fit_calibration([0.9, 0.8, 0.2, 0.1], [True, True, False, False], method=method)
    assert 0.5 < found.probability(1.0) < 1
    assert 0 < found.probability(0.0) < 0.5
    assert math.isfinite(found.log_likelihood_ratio(1e6 if method == "isotonic" else 2.0))


@settings(deadline=None)
@given(SCORED, st.sampled_from(METHODS))
def test_a_fit_is_increasing_or_refused(pairs: list[tuple[float, bool]], method: str) -> None:
    scores, same = zip(*pairs, strict=True)
    try:
        found = fit_calibration(scores, same, method=method)
    except NotIncreasing:
        assert (
            method == "isotonic"
            or np.mean([s for s, y in pairs if y]) <= np.mean([s for s, y in pairs if not y]) + 1e-9
        )
        return
    ratios = found.log_likelihood_ratios(np.linspace(-1, 2, 50))
    assert (np.diff(ratios) >= -1e-12).all()
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@settings(deadline=None)
@given(SCORED)
def test_cllr_against_a_loop_and_its_minimum_below_any_line(
    pairs: list[tuple[float, bool]],
) -> None:
    scores, same = zip(*pairs, strict=True)
    genuine = [math.log2(1 + math.exp(-s)) for s, y in pairs if y]
    impostor = [math.log2(1 + math.exp(s)) for s, y in pairs if not y]
    expected = (sum(genuine) / len(genuine) + sum(impostor) / len(impostor)) / 2
    assert cllr(scores, same) == pytest.approx(expected)
    least = min_cllr(scores, same)
    assert 0 <= least <= 1 + 1e-12
    for slope in (0.0, 0.5, 3.0, 10.0):
        for shift in (-2.0, 0.0, 1.0):
            ratios = slope * np.array(scores) + shift
            assert least <= cllr(ratios, same) + 1e-9
    if roc_auc_score(same, scores) == 1.0:
        assert least == 0.0


@settings(deadline=None)
@given(SCORED, st.sampled_from([0.1, 0.5]))
def test_the_diagram_against_a_loop(pairs: list[tuple[float, bool]], prior: float) -> None:
    scores, same = (np.array(column) for column in zip(*pairs, strict=True))
    calibration = Calibration("logistic", slope=4.0, intercept=-3.0)
    found = reliability(calibration, scores, same, prior=prior, bins=5)
    error = 0.0
    for entry in found.bins:
        mass = hits = predicted = 0.0
        counts = [0, 0]
        for score, truth in zip(scores, same, strict=True):
            p = calibration.probability(float(score), prior)
            if entry.low <= p < entry.high:
                share = prior / same.sum() if truth else (1 - prior) / (~same).sum()
                mass, hits, predicted = mass + share, hits + share * truth, predicted + share * p
                counts[int(truth)] += 1
        assert (entry.impostor, entry.genuine) == tuple(counts)
        if mass:
            assert (entry.observed, entry.predicted) == pytest.approx(
                (hits / mass, predicted / mass)
            )
        else:
            assert entry.observed is None
        error += abs(hits - predicted)
    assert found.expected_error == pytest.approx(error)


def lfw(folder: Path) -> Embeddings:
    return read_embeddings(
        folder / "lfw" / "reference_embeddings_128.npy",
        folder / "lfw" / "reference_embeddings_files.txt",
    )


def all_of(embeddings: Embeddings, rows: np.ndarray) -> ScoredPairs:
    labels = embeddings.labels
    drawn = draw_pairs(labels[rows], limit=100_000, seed=0)
    left, right = rows[drawn.left], rows[drawn.right]
    scores = pair_scores(embeddings.vectors, left, right)
    return scored_pairs(scores, drawn.same, labels[left], labels[right])


@pytest.mark.parametrize("method", METHODS)
def test_half_of_lfw_calibrates_the_other_half(shared_data: Path, method: str) -> None:
    """At most five photos a person, lest half of the genuine pairs be of one man."""
    embeddings = lfw(shared_data)
    labels = embeddings.labels
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order], side="left")
    few = order[np.arange(len(labels)) - starts < 5]
    first = np.random.default_rng(0).permutation(labels.max() + 1)[: (labels.max() + 1) // 2]
    inside = np.isin(labels[few], first)
    fitted, other = all_of(embeddings, few[inside]), all_of(embeddings, few[~inside])
    found = calibrate_pairs(fitted, method=method, replicates=100)
    assert found.calibration is not None
    judged = reliability(found.calibration, other.scores, other.same)
    print(
        f"\n{method}: Cllr {judged.cllr:.4f}, minimum {judged.min_cllr:.4f} bits, "
        f"ECE {judged.expected_error:.4f}"
    )
    assert judged.cllr < 0.1
    assert judged.cllr - judged.min_cllr < 0.03
    impostor = other.scores[~other.same]
    for point in found.points:
        assert point.far_interval is not None
        reached = float(np.mean(impostor >= point.threshold))
        print(f"FMR {point.fmr:g}: {reached:.2e} on the other half, {point.far_interval}")
        low, high = point.far_interval
        # The other half is a sample too: as uncertain as the first.
        assert low - (point.far - low) <= reached <= high + (high - point.far)


def test_lfw_has_intervals_about_its_numbers(shared_data: Path) -> None:
    embeddings = lfw(shared_data)
    pairs = read_pairs(shared_data / "lfw" / "protocol" / "pairs.txt")
    experiment = likewise.evaluate(embeddings, pairs, replicates=200)
    intervals, measured = experiment.intervals, experiment.measured
    assert intervals is not None
    assert intervals.identities == 4281
    assert intervals.auc.low < measured.auc < intervals.auc.high
    assert intervals.eer.low < measured.eer < intervals.eer.high
    assert intervals.eer.high - intervals.eer.low < 0.01
    assert round(measured.auc, 6) == 0.999044
    assert round(measured.eer, 6) == 0.007333
    assert intervals.at(1e-4).tar is None
    assert intervals == bootstrap(experiment.scored_pairs(), replicates=200)
    assert experiment.to_dict()["intervals"]["auc"]["low"] == intervals.auc.low


def test_a_calibrated_model_keeps_it(model: Path, photos: Path, tmp_path: Path) -> None:
    embedder = likewise.load(model)
    embeddings, _ = embedder.embed_manifest(likewise.read_manifest(photos))
    found = calibrate(embedder, embeddings, fmr=0.05, method="isotonic")
    embedder.save(tmp_path / "m")
    back = likewise.load(tmp_path / "m")
    assert back.calibration == found.calibration
    assert back.operating_points == found.points
    assert back.operating_point == found.chosen
    assert found.chosen is not None
    assert found.chosen.fmr == 0.05
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text()
    assert "calibrated (isotonic)" in card
    with pytest.raises(InputError, match="cannot show an FMR of 0.001"):
        calibrate(embedder, embeddings)
    with pytest.raises(InputError, match="another embedder"):
        calibrate(embedder, Embeddings(embeddings.vectors, embeddings.items))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"method": "logistic", "slope": -1.0, "intercept": 0.0},
        {"method": "logistic", "slope": "x", "intercept": 0.0},
        {"method": "isotonic", "scores": [0.0, 0.0], "ratios": [0.0, 1.0]},
        {"method": "isotonic", "scores": [0.0, 1.0], "ratios": [1.0, 0.0]},
        {"method": "isotonic", "scores": [0.0], "ratios": []},
        {"method": "isotonic", "scores": 3, "ratios": [1.0]},
        {"method": "guess"},
    ],
)
def test_an_invalid_calibration_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match="calibration"):
        Calibration.from_dict(values)


def test_wrong_use() -> None:
    with pytest.raises(InputError, match="method"):
        fit_calibration([0.9, 0.1], [True, False], method="isotone")
    with pytest.raises(NotIncreasing):
        fit_calibration([0.1, 0.9], [True, False])
    with pytest.raises(NotIncreasing):
        fit_calibration([0.5, 0.5], [True, False])
    with pytest.raises(InputError, match="no different-person"):
        fit_calibration([0.1, 0.9], [True, True])
    with pytest.raises(InputError, match="prior"):
        Calibration("logistic", slope=1.0).probability(0.5, prior=1.0)
