"""Schedules, EMA and early stopping against their closed forms."""

from __future__ import annotations

import math
import os
import signal

import pytest
import torch
from torch import nn

from likewise.training.recipe.recipe import Schedule
from likewise.training.step.ema import WeightAverage
from likewise.training.step.schedule import lr_factor, margin_fraction
from likewise.training.stopping import StopRequest

PER_EPOCH = 10


def factors(**keys: object) -> list[float]:
    schedule = Schedule.model_validate({"epochs": 10, **keys})
    return [lr_factor(schedule, step, PER_EPOCH) for step in range(100)]


def test_warm_up_then_cosine() -> None:
    values = factors(name="cosine", warmup_epochs=2, final=0.1)
    assert values[:20] == pytest.approx([(s + 1) / 21 for s in range(20)])
    assert values[20] == pytest.approx(1.0)
    assert values[60] == pytest.approx(0.1 + 0.9 * 0.5)
    for step in range(20, 100):
        cosine = 0.5 * (1 + math.cos(math.pi * (step - 20) / 80))
        assert values[step] == pytest.approx(0.1 + 0.9 * cosine)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_polynomial_is_that_of_torch(power: float) -> None:
    """Without a warm-up and to zero, as torch has it; ``final`` lifts the end."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=100, power=power)
    expected = []
    for _ in range(100):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    polynomial = {"name": "polynomial", "power": power, "warmup_epochs": 0}
    assert factors(**polynomial, final=0) == pytest.approx(expected)
    lifted = [0.1 + 0.9 * value for value in expected]
    assert factors(**polynomial, final=0.1) == pytest.approx(lifted)


def test_polynomial_decay_begins_after_the_warm_up() -> None:
    values = factors(name="polynomial", power=2, final=0, warmup_epochs=2)
    assert values[:20] == pytest.approx([(s + 1) / 21 for s in range(20)])
    assert values[20:] == pytest.approx([(1 - (s - 20) / 80) ** 2 for s in range(20, 100)])


def test_steps() -> None:
    values = factors(name="step", warmup_epochs=0, milestones=(0.3, 0.8), factor=0.1)
    expected = [1.0] * 30 + [0.1] * 50 + [0.01] * 20
    assert values == pytest.approx(expected)


def test_constant_and_no_warm_up() -> None:
    assert factors(name="constant", warmup_epochs=0) == [1.0] * 100


def test_the_margin_rises_to_its_full_size() -> None:
    schedule = Schedule(epochs=10, margin_warmup_epochs=4)
    values = [margin_fraction(schedule, step, PER_EPOCH) for step in range(100)]
    assert values[0] == 0.0
    assert values[20] == 0.5
    assert set(values[40:]) == {1.0}
    assert margin_fraction(Schedule(margin_warmup_epochs=0), 0, PER_EPOCH) == 1.0


def test_the_average_is_the_plain_recursion() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = WeightAverage(module, 0.9)
    expected = module.state_dict()["0.weight"].clone()
    for step in range(30):
        with torch.no_grad():
            module[0].weight.add_(torch.randn(2, 3))
        module(torch.randn(4, 3))
        average.update(module)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * module[0].weight.detach()
    torch.testing.assert_close(average.weights["0.weight"], expected)
    assert int(average.weights["1.num_batches_tracked"]) == 30
    other = WeightAverage(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), 0.9)
    other.restore(average.state())
    assert other.steps == 30
    torch.testing.assert_close(other.weights, average.weights)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_and_does_not_interrupt(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        os.kill(os.getpid(), number)
        assert stop.signal is number
    assert signal.getsignal(number) is before


def test_a_second_interrupt_insists() -> None:
    with StopRequest(), pytest.raises(KeyboardInterrupt):  # noqa: PT012  # two signals are the point
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
