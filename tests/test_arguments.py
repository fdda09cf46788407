"""One wording for what an argument may be, at every edge of what is allowed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from likewise.arguments import check_count, check_number
from likewise.errors import InputError


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(2)])
def test_whole_numbers_come_back_as_int(value: object) -> None:
    found = check_count("k", value)
    assert type(found) is int
    assert found == value


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "2", None, math.nan])
def test_what_is_no_count_is_named(value: object) -> None:
    with pytest.raises(InputError) as caught:
        check_count("k", value)
    assert str(caught.value) == f"k: {value!r}; must be a whole number of at least 1"


def test_a_count_within_two_bounds() -> None:
    assert check_count("dims", 3, least=2, most=3) == 3
    with pytest.raises(InputError, match="^dims: 4; must be a whole number from 2 to 3$"):
        check_count("dims", 4, least=2, most=3)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "allowed"),
    [
        ({"least": 0, "most": 2}, (0, 2, 1.5), (-1e-9, 2.1), "number from 0 to 2"),
        ({"above": 0}, (1e-300, 5), (0, -1), "number above 0"),
        ({"least": 1}, (1, 2), (0.99,), "number of at least 1"),
        ({"most": 1}, (1, -9), (1.01,), "number of at most 1"),
        ({"above": 0, "below": 1}, (0.5,), (0, 1), "number above 0 and below 1"),
        ({"above": 0, "most": 1}, (1, 0.1), (0, 1.5), "number above 0 and of at most 1"),
        ({}, (-1e30, np.float32(2)), (), "finite number"),
    ],
)
def test_numbers(
    bounds: dict[str, float], inside: tuple[float, ...], outside: tuple[float, ...], allowed: str
) -> None:
    for value in inside:
        assert check_number("x", value, **bounds) == float(value)
    for wrong in (*outside, math.nan, math.inf, -math.inf, True, "1", None):
        with pytest.raises(InputError) as caught:
            check_number("x", wrong, **bounds)
        assert str(caught.value) == f"x: {wrong!r}; must be a {allowed}"
