"""Which epoch is saved: the last one that is not clearly worse than the best."""

from __future__ import annotations

import json

import numpy as np
import pytest

from likewise.evaluation.intervals.auc_estimate import AucEstimate
from likewise.training.stopping import Best


def measured(value: float, *shifts: float) -> AucEstimate:
    """A validation of six people; the shifts are the influences of the first ones."""
    influence = np.zeros(6)
    influence[: len(shifts)] = shifts
    return AucEstimate(value, influence, 6)


def test_an_epoch_that_is_slightly_worse_is_saved_and_a_clearly_worse_one_is_not() -> None:
    best = Best()
    error = np.sqrt(2 * 0.01**2 * 6 / 5)  # of the difference: two people moved by 0.01
    assert best.update(measured(0.8), 1)
    assert best.update(measured(0.8 - 0.9 * error, 0.01, -0.01), 2)
    assert not best.update(measured(0.8 - 1.1 * error, 0.01, -0.01), 3)
    assert (best.epoch, best.top_epoch, best.waited) == (2, 1, 2)
    assert best.value == pytest.approx(0.8 - 0.9 * error)


def test_small_steps_down_do_not_add_up() -> None:
    """Each is within the error of the one before, but all are compared with the best."""
    best = Best()
    shift = 0.005
    saved = [
        best.update(measured(0.8 - 0.004 * epoch, *(shift * epoch % 0.01, 0)), epoch)
        for epoch in range(1, 12)
    ]
    assert saved[0]
    assert not any(saved[4:])


def test_waiting_is_counted_in_epochs_from_the_best() -> None:
    """Measured every fourth epoch, two validations without gain are eight epochs."""
    best = Best()
    for epoch, value in ((4, 0.5), (8, 0.4), (12, 0.5)):
        best.update(measured(value), epoch)
    assert (best.epoch, best.waited) == (12, 8)  # the same AUC again is saved, but is no gain


def test_a_start_model_is_replaced_only_by_a_clearly_better_epoch() -> None:
    best = Best()
    best.begin(measured(0.8))
    assert not best.update(measured(0.8), 1)
    assert not best.update(measured(0.82, 0.01, -0.01), 2)  # 1.2 standard errors above
    assert best.update(measured(0.9, 0.01, -0.01), 3)
    assert best.epoch == 3
    again = Best().restored(json.loads(json.dumps(best.state())))
    for one in (best, again):  # not clearly worse than epoch 3, and not clearly above the start
        assert not one.update(measured(0.81, 0.1, -0.1), 4)


def test_the_state_survives_json_and_that_of_earlier_versions_is_read() -> None:
    best = Best()
    for epoch, value in ((1, 0.7), (2, 0.9), (3, 0.8), (4, 0.9)):
        best.update(measured(value, 0.001, -0.001), epoch)
    again = Best().restored(json.loads(json.dumps(best.state())))
    assert again.state() == best.state()
    old = Best().restored([0.7, 3, 2])
    assert not old.update(measured(0.69), 6)
    assert old.waited == 3
    assert old.update(measured(0.7), 7)


def test_a_better_model_of_a_lost_checkpoint_is_adopted() -> None:
    best = Best()
    best.update(measured(0.5), 1)
    best.adopt(0.9, 2)
    assert not best.update(measured(0.8), 2)
    assert (best.value, best.epoch, best.waited) == (0.9, 2, 0)
    same = Best()  # the repeated epoch gives the same bits: as if nothing had happened
    same.update(measured(0.5), 1)
    whole = Best().restored(same.state())
    same.adopt(0.9, 2)
    for one in (same, whole):
        assert one.update(measured(0.9), 2)
    assert same.state() == whole.state()
