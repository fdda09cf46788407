"""Error versus discard: against a plain loop, a closed form, and resampling person by person."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import likewise
from likewise.data.embeddings import NORM, Embeddings, read_embeddings
from likewise.data.protocols import read_pairs
from likewise.errors import InputError
from likewise.evaluation.discard_curve import UP_TO, discard_curve
from likewise.evaluation.error_versus_discard import SHARES, error_versus_discard
from likewise.evaluation.findings import evaluate_tasks
from likewise.evaluation.intervals.bootstrap import identity_weights
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.report.page import write_report


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=30),
    st.integers(0, 40),
)
def test_it_is_the_plain_loop(pairs: list[tuple[int, int]], percent: int) -> None:
    scores, quality = np.array(pairs, float).T
    curve = discard_curve(scores, quality, threshold=2)
    best = None
    for limit in sorted(set(quality)):  # the most that may be discarded, ties together
        kept = scores[quality >= limit]
        if (len(scores) - len(kept)) * 100 <= percent * len(scores):
            best = (kept < 2).mean()
    assert curve.at(percent / 100) == pytest.approx(best, abs=1e-12)
    fine = np.linspace(0, UP_TO, 60_001)[:-1] + UP_TO / 120_000
    assert curve.area() == pytest.approx(curve.at(fine).mean() * UP_TO, abs=1e-5)


def test_a_quality_that_knows_all_has_the_least_area() -> None:
    count, rejected = 4000, 1200
    scores = np.append(np.zeros(rejected), np.ones(count - rejected))
    people = np.arange(count) // 4
    pairs = with_impostor(scores, people)
    best = np.append(np.arange(count), 0.0)
    found = error_versus_discard(pairs, best, best, 0.5, replicates=20)
    shares = np.array([point.discarded for point in found.points])
    expected = (0.3 - shares) / (1 - shares)  # what is left of 30 % errors
    assert [point.fnmr.value for point in found.points] == pytest.approx(expected, abs=1e-9)
    assert found.to_random.value == pytest.approx(found.least, abs=1e-3)


def test_random_quality_leaves_the_error_where_it_is() -> None:
    random = np.random.default_rng(0)
    people = np.arange(20_000) // 20
    pairs = with_impostor((random.uniform(size=20_000) > 0.1).astype(float), people)
    chance = random.uniform(size=20_001)
    found = error_versus_discard(pairs, chance, chance, 0.5, replicates=100, photos=chance)
    assert found.to_random.low < 1 < found.to_random.high
    assert found.to_random.value == pytest.approx(1, abs=0.03)
    for point in found.points:
        assert point.discarded == pytest.approx(point.share, abs=1e-3)
        assert point.photos == pytest.approx(point.share, abs=2e-3)
        assert point.fnmr.low <= 0.1 <= point.fnmr.high


def test_replicates_are_the_people_drawn_again() -> None:
    random = np.random.default_rng(1)
    people = np.repeat(np.arange(12), 5)
    scores, quality = random.uniform(size=60), random.integers(0, 9, 60).astype(float)
    pairs = with_impostor(scores, people)
    both = np.append(quality, 0)
    found = error_versus_discard(pairs, both, both, 0.3, replicates=40, seed=3, level=0.9)
    ratios, at = [], []
    for weights in identity_weights(pairs.identities, 40, 3):
        rows = np.concatenate(
            [np.flatnonzero(people == p) for p in np.repeat(np.arange(13), weights)]
        )
        copy = discard_curve(scores[rows.astype(int)], quality[rows.astype(int)], 0.3)
        at.append(copy.at(0.1))
        ratios.append(copy.area() / (copy.fnmr[0] * UP_TO))
    low, high = np.quantile(at, [0.05, 0.95], method="weibull")
    assert found.low[10] == pytest.approx(min(low, found.curve.at(0.1)))
    assert found.high[10] == pytest.approx(max(high, found.curve.at(0.1)))
    low, high = np.quantile(ratios, [0.05, 0.95], method="weibull")
    assert (found.to_random.low, found.to_random.high) == pytest.approx((low, high))


def test_what_cannot_be_measured_says_why() -> None:
    pairs = with_impostor(np.ones(20), np.arange(20) // 2)
    quality = np.arange(21.0)
    with pytest.raises(InputError, match="blur: none of 20 genuine pairs is rejected"):
        error_versus_discard(pairs, quality, quality, 0.5, column="blur")
    with pytest.raises(InputError, match="must be one"):
        discard_curve([1, 2], [1], 0)
    with pytest.raises(InputError, match="not finite"):
        discard_curve([1, 2], [1, np.nan], 0)


def with_impostor(scores: np.ndarray, people: np.ndarray) -> ScoredPairs:
    """Genuine pairs with these scores, and one impostor pair at the end."""
    left = np.append(people, people[0])
    right = np.append(people, people.max() + 1)
    return scored_pairs(np.append(scores, 0.0), left == right, left, right)


def blurred(people: int = 40, each: int = 6) -> Embeddings:
    """Embeddings that are noisier for photos of lower quality."""
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(people), each)
    clear = random.beta(4, 1, len(who))
    noise = random.normal(size=(len(who), 16)) * (0.3 / clear)[:, None]
    columns = {
        "path": [f"{n}.jpg" for n in range(len(who))],
        "identity": [f"{p:02}" for p in who],
        NORM: pa.array(clear * 20, pa.float32()),
        "sharp": pa.array([None if n == 3 else round(9 * q) for n, q in enumerate(clear)]),
        "town": ["Ulm"] * len(who),
    }
    vectors = random.normal(size=(people, 16))[who] + noise
    return Embeddings(vectors.astype(np.float32), pa.table(columns))


def test_the_norm_is_measured_where_it_is_at_hand(tmp_path: Path) -> None:
    embeddings = blurred()
    experiment = likewise.evaluate(embeddings)
    found = evaluate_tasks(experiment, embeddings, tasks=[])
    (curve,) = found.quality
    assert (curve.column, curve.genuine) == (NORM, 40 * 15)
    assert curve.to_random.high < 0.9
    fnmr = [point.fnmr.value for point in curve.points]
    assert fnmr[0] == pytest.approx(1 - experiment.measured.at(1e-3).tar)
    assert fnmr[-1] < fnmr[0] / 2
    page = write_report(experiment, tmp_path, findings=found).read_text(encoding="utf-8")
    assert "Error versus discard" in page
    assert "length of the raw embedding" in page
    saved = json.loads((tmp_path / "report.json").read_text())["findings"]["quality"][0]
    assert saved["area_to_random"]["value"] == curve.to_random.value
    assert [point["share"] for point in saved["points"]] == list(SHARES)
    plain = Embeddings(embeddings.vectors, embeddings.items.drop_columns([NORM]))
    assert evaluate_tasks(experiment, plain, tasks=[]).quality == ()


def test_columns_by_name_are_compared() -> None:
    embeddings = blurred()
    experiment = likewise.evaluate(embeddings)
    found = evaluate_tasks(experiment, embeddings, tasks=[], quality=[NORM, "sharp", "town"])
    assert [curve.column for curve in found.quality] == [NORM, "sharp"]
    missing, text = found.left_out
    assert "sharp: 1 of 240 photos have no value, the first is '3.jpg' in row 4" in missing
    assert "column town holds string; it must hold numbers" in text
    with pytest.raises(InputError, match="quality: unknown value 'shrap'; did you mean 'sharp'"):
        evaluate_tasks(experiment, embeddings, tasks=[], quality=["shrap"])


def test_equal_norms_are_passed_over_in_silence() -> None:
    embeddings = blurred()
    ones = pa.array(np.ones(240), pa.float32())
    column = embeddings.items.column_names.index(NORM)
    equal = Embeddings(embeddings.vectors, embeddings.items.set_column(column, NORM, ones))
    found = evaluate_tasks(likewise.evaluate(equal), equal, tasks=[])
    assert (found.quality, found.left_out) == ((), ())


def test_the_norm_of_the_reference_model_on_lfw(shared_data: Path) -> None:
    """FNMR at FMR 0.1% by the share of pairs discarded, as another program measured it."""
    lfw = shared_data / "lfw"
    raw = read_embeddings(
        lfw / "reference_embeddings_128.npy", lfw / "reference_embeddings_files.txt"
    )
    norms = pa.array(np.linalg.norm(raw.vectors, axis=1), pa.float32())
    embeddings = Embeddings(raw.vectors, raw.items.append_column(NORM, norms))
    experiment = likewise.evaluate(embeddings, read_pairs(lfw / "protocol" / "pairs.txt"))
    (curve,) = evaluate_tasks(experiment, embeddings, tasks=[]).quality
    fnmr = {point.share: 100 * point.fnmr.value for point in curve.points}
    expected = {0: 1.43, 0.02: 1.19, 0.05: 0.84, 0.1: 0.74, 0.2: 0.58, 0.3: 0.43}
    assert {share: round(fnmr[share], 2) for share in expected} == pytest.approx(
        expected, abs=0.015
    )


def test_a_share_below_zero_discards_nothing_and_a_threshold_is_a_number() -> None:
    curve = discard_curve([0.1, 0.9], [1, 2], threshold=0.5)
    assert curve.at([-1, 0, 2]).tolist() == [0.5, 0.5, 0.0]
    with pytest.raises(InputError, match="threshold"):
        discard_curve([0.1, 0.9], [1, 2], threshold=float("nan"))
