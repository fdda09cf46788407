"""A sweep ends where more effort could not help: past the aim, or past what exact search takes."""

from __future__ import annotations

import math

import pytest

from likewise.search.families import family_named
from likewise.search.tuning.aim import Aim, Limits
from likewise.search.tuning.sweep import sweep
from likewise.search.tuning.task import Task, prepared
from likewise.search.tuning.trial import built_over
from tests.search.faces import faces

AIM = Aim(recall=0.9)


@pytest.fixture(scope="module")
def task() -> Task:
    return prepared(faces(300)[0], None, AIM, Limits(), "cosine", None, 200, 0)


@pytest.mark.parametrize("family", ["ivf_flat", "ivf_pq_fastscan"])
def test_what_has_lost_is_not_searched_with_more_effort(task: Task, family: str) -> None:
    kind = family_named(family)
    settings = kind.build_grid(len(task.vectors), 32, "dot")[0]
    built = built_over(task.vectors, family, settings, task.space.metric)
    grid = kind.search_grid(settings, len(task.vectors), AIM.k)
    common = {"refine": False, "budget": 0.001}
    every = sweep(built, grid, task.yardstick, AIM, task.pace.bounded(math.inf), **common)
    some = sweep(built, grid, task.yardstick, AIM, task.pace.bounded(0.0), **common)
    lost = [point.search for point in some if point.seconds < math.inf]
    assert lost
    assert len(some) < len(every)
    for more in lost:  # none of them has another's effort or more, in every knob
        assert not any(
            less != more and all(more[name] >= less[name] for name in less)  # type: ignore[operator]  # numbers all
            for less in lost
        )
    untimed = [point.search for point in every if point.seconds == math.inf]
    assert all(point.search in untimed for point in some if point.seconds == math.inf)


def test_the_bound_is_exact_search_where_that_may_be_taken(task: Task) -> None:
    assert task.pace.beyond == 2 * task.exact_point.seconds
    assert task.has_lost(()) is False
    assert task.has_lost([task.exact_point]) is False
    small = prepared(faces(300)[0], None, AIM, Limits(memory=1000), "cosine", None, 200, 0)
    assert small.pace.beyond == math.inf
