"""Clopper and Pearson's interval against the tails of the binomial that define it."""

from __future__ import annotations

import pytest
from scipy.stats import binom, binomtest

from likewise.binomial import clopper_pearson
from likewise.errors import InputError


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("count", "trials"), [(0, 10), (1, 10), (37, 1000), (10, 10), (1, 1)])
def test_the_interval_of_scipy(count: int, trials: int, level: float) -> None:
    expected = binomtest(count, trials).proportion_ci(level, "exact")
    assert clopper_pearson(count, trials, level) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def test_its_ends_leave_the_tails() -> None:
    low, high = clopper_pearson(3, 40)
    assert binom.sf(2, 40, low) == pytest.approx(0.025)
    assert binom.cdf(3, 40, high) == pytest.approx(0.025)


def test_weighted_counts_lie_between_whole_ones() -> None:
    ends = [clopper_pearson(count, 20) for count in (3, 3.5, 4)]
    assert sorted(ends) == ends


@pytest.mark.parametrize(("count", "trials"), [(2, 1), (-1, 3), (0, 0)])
def test_what_is_no_rate_is_refused(count: float, trials: float) -> None:
    with pytest.raises(InputError, match="must be 0 <= count <= trials"):
        clopper_pearson(count, trials)
