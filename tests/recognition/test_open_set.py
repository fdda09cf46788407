from __future__ import annotations

import math

import numpy as np
import pytest

from likewise.errors import InputError
from likewise.models.operating_point import OperatingPoint
from likewise.recognition.open_set import open_set_threshold


def points() -> list[OperatingPoint]:
    return [OperatingPoint(t, f, 1.0, 10, 10, target=f) for t, f in MEASURED]


MEASURED = [(0.3, 1e-2), (0.4, 1e-3), (0.46, 1e-4)]


def test_a_measured_rate_gives_its_threshold() -> None:
    for threshold, fmr in MEASURED:
        found = open_set_threshold(points(), 1, fmr=fmr)
        assert found.threshold == pytest.approx(threshold)
        assert found.fpir == pytest.approx(fmr)
        assert not found.extrapolated


def test_between_and_beyond_the_measured_rates_it_is_linear_in_the_logarithm() -> None:
    assert open_set_threshold(points(), 1, fmr=10**-2.5).threshold == pytest.approx(0.35)
    assert open_set_threshold(points(), 1, fmr=1e-5).threshold == pytest.approx(0.52)
    assert open_set_threshold(points(), 1, fmr=0.1).threshold == pytest.approx(0.2)
    assert open_set_threshold(points(), 1, fmr=1e-5).extrapolated
    assert open_set_threshold(points(), 1, fmr=1e-300).threshold == 1.0


@pytest.mark.parametrize("people", [1, 7, 1000])
def test_the_chances_of_a_stranger_multiply(people: int) -> None:
    found = open_set_threshold(points(), people, fpir=0.05)
    assert found.fmr is not None
    assert 1 - (1 - found.fmr) ** people == pytest.approx(0.05)
    back = open_set_threshold(points(), people, threshold=found.threshold)
    assert back.fmr == pytest.approx(found.fmr, rel=1e-6)
    assert back.fpir == pytest.approx(0.05, rel=1e-6)


def test_the_rate_holds_for_gaussian_strangers() -> None:
    """A simulation with independent comparisons, whose thresholds are those of the Gaussian."""
    random = np.random.default_rng(0)
    sample = np.sort(random.normal(0, 0.12, 2_000_000))[::-1]
    measured = [
        OperatingPoint(float(sample[int(f * len(sample))]), f, 1.0, 1, 1, target=f)
        for f in (1e-2, 1e-3, 1e-4, 1e-5)
    ]
    found = open_set_threshold(measured, 50, fpir=0.02)
    best = random.normal(0, 0.12, (100_000, 50)).max(1)
    assert (best >= found.threshold).mean() == pytest.approx(0.02, rel=0.15)


def test_a_threshold_needs_no_measurement() -> None:
    found = open_set_threshold([], 5, threshold=0.4)
    assert (found.threshold, found.fmr, found.fpir) == (0.4, None, None)
    assert open_set_threshold(points(), 0).threshold <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fpir": 0.1, "fmr": 0.1}, "fpir and fmr: give one"),
        ({"fpir": 0.0}, "fpir: 0.0"),
        ({"fmr": 1.0}, "fmr: 1.0"),
        ({"threshold": 2.0}, "threshold: 2.0"),
        ({"threshold": math.nan}, "threshold: nan"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_set_threshold(points(), 3, **arguments)


def test_a_model_without_measured_thresholds_is_refused_with_the_remedy() -> None:
    with pytest.raises(InputError, match="likewise calibrate"):
        open_set_threshold([], 3)


def test_a_rate_measured_at_the_threshold_of_another_says_nothing() -> None:
    """Of few impostor pairs: the line through both would have no slope."""
    measured = [
        OperatingPoint(threshold, fmr, 1.0, 10, 100, target=fmr)
        for threshold, fmr in ((0.3, 1e-2), (0.4, 1e-3), (0.4, 1e-4))
    ]
    for some in (measured, measured[::-1]):
        assert open_set_threshold(some, 100, fpir=0.01).threshold > 0.49
        assert open_set_threshold(some, 1, threshold=0.5).fmr == pytest.approx(1e-4)
    with pytest.raises(InputError, match="no measured thresholds"):
        open_set_threshold(measured[1:], 1)
