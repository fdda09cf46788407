"""Intervals, memory and summaries against closed forms and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from likewise.errors import LikewiseError
from likewise.lab.compare.candidates import Choice
from likewise.lab.compare.intervals import estimate, mean_difference
from likewise.lab.compare.metrics import RunMetrics, compute_metrics
from likewise.lab.compare.peak_memory import peak_tensor_bytes
from likewise.lab.compare.record import CurvePoint, Key, Record
from likewise.lab.compare.summary import summarize


def test_the_interval_of_two_runs_is_a_closed_form() -> None:
    """With one degree of freedom t is Cauchy's: its quantile is tan(π(p - ½))."""
    found = estimate([0.2, 0.5], [1, 1])
    assert found.mean == pytest.approx(0.35)
    assert found.half == pytest.approx(math.tan(math.pi * 0.475) * 0.15)
    assert not found.certain


def test_the_interval_is_scipys() -> None:
    values = np.random.default_rng(0).normal(3, 1, 7)
    low, high = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    found = estimate(values.tolist(), [1] * 7)
    assert found.half is not None
    assert found == estimate(values.tolist(), list(range(7)))
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high))
    assert found.certain
    assert estimate([1.0], [1]).half is None


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1).normal(0, 1, (2000, 4))
    missed = np.mean([estimate(row.tolist(), [1] * 4).certain for row in draws])
    assert missed == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("folds", [2, 4])
def test_seeds_of_one_fold_do_not_make_a_finding(folds: int) -> None:
    """Two losses that are equally good, where folds differ as much as seeds do: one in twenty."""
    random = np.random.default_rng(2)
    places = np.repeat(np.arange(folds), 3)
    found = [
        estimate((random.normal(size=folds)[places] + random.normal(size=3 * folds)).tolist(),
                 places.tolist()).certain
        for _ in range(1500)
    ]  # fmt: skip
    assert np.mean(found) == pytest.approx(0.05, abs=0.015)


def test_what_runs_share_cancels_in_the_mean_difference() -> None:
    shared = np.random.default_rng(2).normal(0, 10, 5)
    found = mean_difference((shared + 1).tolist(), shared.tolist(), [1, 1, 2, 2, 3])
    assert (found.mean, found.half) == (pytest.approx(1), pytest.approx(0, abs=1e-9))


def test_a_collapsed_embedding_is_a_failure() -> None:
    vectors = np.ones((8, 4), np.float32) + 1e-5 * np.arange(8, dtype=np.float32)[:, None]
    vectors[:, 0] += 1e-4 * np.arange(8)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with pytest.raises(LikewiseError, match="collapsed"):
        compute_metrics(vectors, np.arange(8) // 2)


def test_peak_memory_of_known_work() -> None:
    before = torch.ones(1000)

    def work() -> None:
        held = before + 1  # 4000 bytes
        for _ in range(5):
            before * 2  # 4000 more, given back each time
        held.add_(before)  # in place: nothing new
        held.view(10, 100)

    assert peak_tensor_bytes(work) == 8000
    assert peak_tensor_bytes(lambda: [torch.ones(250) for _ in range(3)]) == 3000


def record(label: str, fold: int, seed: int, auc: float, curve: list[float]) -> Record:
    measured = RunMetrics(auc, 0.1, None, 0.9, 0.5, 0.3, 1.5, 0.2)
    points = tuple(CurvePoint(10 * (n + 1), 0.5, value) for n, value in enumerate(curve))
    choice = Choice("softmax", 1e-3, {})
    return Record(Key(label, fold, "run", seed), choice, 20, "", measured, points, 100.0, 2**20)


def test_a_table_by_hand() -> None:
    runs = {
        "cosface": [record("cosface", 1, s, 0.9 + s / 100, [0.8, 0.9 + s / 100]) for s in (0, 1)],
        "softmax": [record("softmax", 1, s, 0.8 + s / 100, [0.7, 0.8]) for s in (1, 0)],
        "arcface": [
            Record(Key("arcface", 1, "run", 0), Choice("arcface", 1e-3, {}), 20, error="no"),
        ],
    }
    rows, target, reference = summarize(runs, {"softmax": ["fold 1: lr 0.001"]})
    assert [row.label for row in rows] == ["cosface", "softmax", "arcface"]
    assert reference == "softmax"
    assert target.auc == pytest.approx(0.5 + 0.95 * (0.905 - 0.5))
    best, softmax, failed = rows
    assert best.difference is not None
    assert best.difference.mean == pytest.approx(0.1)  # matched by seed, not by order
    assert best.difference.half == pytest.approx(0, abs=1e-9)
    assert (best.epochs_to_target, best.reached) == (20, 2)
    assert (softmax.epochs_to_target, softmax.reached) == (None, 0)
    assert softmax.tuned == ("fold 1: lr 0.001",)
    assert "tar" not in best.estimates
    assert best.curve == ((10, pytest.approx(0.8)), (20, pytest.approx(0.905)))
    assert (failed.runs, failed.failed) == (0, ("no",))
    assert summarize(runs, {}, target=0.75)[0][1].epochs_to_target == 20
