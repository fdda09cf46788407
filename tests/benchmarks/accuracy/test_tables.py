"""Intervals, verdicts and tables."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.accuracy.store import Cell, Line, Value
from scipy.stats import t, ttest_ind

from benchmarks.accuracy import defaults, losses, tables

Keys = dict[str, Value]


def line(method: str, seed: int, auc: float, budget: int = 60) -> Line:
    keys: Keys = {"set": "orl", "method": method, "budget": budget, "seed": seed}
    numbers = {
        "auc": auc, "recall_at_1": auc, "map_at_r": auc, "cpu_seconds": 60.0, "photos": 6000,
    }  # fmt: skip
    return Line(Cell(keys), numbers, "a CPU", 0.02, "2026-01-02T00:00:00+00:00", "1")


def runs(**methods: list[float]) -> list[Line]:
    return [line(m, seed, auc) for m, aucs in methods.items() for seed, auc in enumerate(aucs)]


def test_the_difference_of_two_means_has_welchs_interval() -> None:
    one, other = [0.91, 0.93, 0.92], [0.85, 0.90, 0.80]
    found = tables.difference(one, other)
    expected = ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert found.half is not None
    assert found.mean - found.half == pytest.approx(expected.low)
    assert found.mean + found.half == pytest.approx(expected.high)


def test_a_mean_has_the_t_interval_over_seeds() -> None:
    found = tables.mean([0.8, 0.9, 0.85])
    error = np.std([0.8, 0.9, 0.85], ddof=1) / 3**0.5
    assert found.half == pytest.approx(t.ppf(0.975, 2) * error)
    assert tables.shown(found) == "0.850 ± 0.124"
    assert tables.shown(tables.mean([0.8])) == "0.800"


def test_the_default_falls_short_only_below_the_interval_of_the_best() -> None:
    close = runs(likewise=[0.90, 0.91, 0.90], plain=[0.89, 0.93, 0.93])
    assert defaults.standing(defaults.grouped(close)["orl", 60], "auc") == {
        "likewise": "within", "plain": "best",
    }  # fmt: skip
    assert not defaults.shortfalls(close)
    far = runs(likewise=[0.80, 0.81, 0.80], plain=[0.91, 0.92, 0.92])
    assert defaults.shortfalls(far) == ["orl at 60 s"]
    assert defaults.clearly_above(far) == (0, 1)
    won = runs(likewise=[0.96, 0.961, 0.962], plain=[0.91, 0.92, 0.92])
    assert defaults.clearly_above(won) == (1, 1)


def test_the_table_marks_the_best_and_those_within_its_interval() -> None:
    text = defaults.markdown(runs(likewise=[0.90, 0.91, 0.90], plain=[0.89, 0.93, 0.93]))
    rows = [row for row in text.splitlines() if row.startswith("| 60")]
    assert "0.903 ± 0.014 °" in rows[0]
    assert "**0.917 ± 0.057**" in rows[1]
    overview, of_set = text.split("\n### ")
    assert "| 0.903 | **0.917** |" in overview
    for table in (overview, of_set):
        widths = {len(row.split("|")) for row in table.splitlines() if row.startswith("|")}
        assert len(widths) == 1
    assert "0.1 hours on one core of a CPU; 2026-01-02" in text


def test_a_difference_is_real_if_holms_method_keeps_it() -> None:
    p_values = {("r", "a"): 0.001, ("r", "b"): 0.02, ("r", "c"): 0.04, ("r", "d"): 0.2}
    assert losses.real(p_values) == {("r", "a")}  # 0.02 is above 0.05 / 3
    p_values["r", "b"] = 0.016
    assert losses.real(p_values) == {("r", "a"), ("r", "b")}  # 0.04 is above 0.05 / 2


def test_losses_are_compared_with_softmax_of_the_same_draw_and_start() -> None:
    def result(start: str, loss: str, draw: int, auc: float | None) -> Line:
        keys: Keys = {"start": start, "loss": loss, "draw": draw, "budget": 1, "trials": 1}
        numbers = {"failed": "collapsed"} if auc is None else {"auc": auc}
        return Line(Cell(keys), numbers, "a CPU", 0.0, "2026-01-02", "1")

    lines = [result("random start", "softmax", draw, 0.8 + draw / 100) for draw in range(3)]
    lines += [result("random start", "triplet", 0, 0.7), result("random start", "triplet", 2, None)]
    rows = {row[1]: row[2:] for row in losses.differences(lines)}
    assert rows["triplet"] == ([0.7], [0.8], 1)
    assert "| random start | triplet | 0.7000 | -0.1000 | no | 1 |" in losses.markdown(lines)
