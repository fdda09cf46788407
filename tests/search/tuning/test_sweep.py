"""A sweep ends where more effort cannot help: past the target, or slower than exact search."""

from __future__ import annotations

import math

import pytest

from likewise.search.families import family_named
from likewise.search.tuning.candidate import measured_build
from likewise.search.tuning.sweep import sweep
from likewise.search.tuning.target import Limits, Target
from likewise.search.tuning.task import Task, prepare
from tests.search.faces import faces

TARGET = Target(recall=0.9)


@pytest.fixture(scope="module")
def task() -> Task:
    return prepare(faces(300)[0], None, TARGET, Limits(), "cosine", None, 200, 0)


@pytest.mark.parametrize("family", ["ivf_flat", "ivf_pq_fastscan"])
def test_what_too_slow_is_not_searched_with_more_effort(task: Task, family: str) -> None:
    kind = family_named(family)
    settings = kind.build_grid(len(task.vectors), 32, "dot")[0]
    built = measured_build(task.vectors, family, settings, task.space.metric)
    grid = kind.search_grid(settings, len(task.vectors), TARGET.k)
    common = {"refine": False, "budget": 0.001}
    every = sweep(built, grid, task.selection_truth, TARGET, task.timer.bounded(math.inf), **common)
    some = sweep(built, grid, task.selection_truth, TARGET, task.timer.bounded(0.0), **common)
    lost = [point.search for point in some if point.seconds < math.inf]
    assert lost
    assert len(some) < len(every)
    for more in lost:  # none has at least the effort of another in every parameter
        assert not any(
            less != more and all(more[name] >= less[name] for name in less)  # type: ignore[operator]  # numbers all
            for less in lost
        )
    untimed = [point.search for point in every if point.seconds == math.inf]
    assert all(point.search in untimed for point in some if point.seconds == math.inf)


def test_the_bound_is_twice_exact_search_if_that_fits_the_limits(task: Task) -> None:
    assert task.timer.bound == 2 * task.exact_point.seconds
    assert task.too_slow(()) is False
    assert task.too_slow([task.exact_point]) is False
    small = prepare(faces(300)[0], None, TARGET, Limits(memory=1000), "cosine", None, 200, 0)
    assert small.timer.bound == math.inf
