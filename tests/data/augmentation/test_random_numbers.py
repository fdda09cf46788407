"""The numbers of a photo: those of SplitMix64, from its own seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from likewise.data.augmentation.random_numbers import Draws

PUBLISHED = [  # SplitMix64 from the state 1234567
    6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
    16408922859458223821,
]  # fmt: skip


def test_they_are_those_of_splitmix64() -> None:
    draws = Draws(np.array([0]))
    draws.states = np.array([1234567], np.uint64)
    assert draws.words(0, 5)[0].tolist() == PUBLISHED
    assert draws.words(3, 2)[0].tolist() == PUBLISHED[3:]


@pytest.mark.parametrize("seeds", [np.arange(5000), np.arange(5000) * 2**49, -np.arange(5000)])
def test_neighbouring_seeds_give_independent_numbers(seeds: np.ndarray) -> None:
    numbers = Draws(seeds).uniforms(0, 4)
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 1e-3
    for one, other in [(numbers[1:, 0], numbers[:-1, 0]), (numbers[:, 0], numbers[:, 1])]:
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(one))


def test_normal_numbers_are_normal() -> None:
    numbers = Draws(np.arange(2000)).normals(100, 5)
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(numbers.T) - np.eye(5)).max() < 4 / np.sqrt(2000)


def test_the_rest_of_the_batch_does_not_matter() -> None:
    seeds = np.random.default_rng(0).integers(2**62, size=37)
    together = Draws(seeds)
    for size in (1, 5, 36):
        parts = [Draws(seeds[start : start + size]) for start in range(0, 37, size)]
        for place in (0, 7):
            np.testing.assert_array_equal(
                np.concatenate([part.uniform(place) for part in parts]), together.uniform(place)
            )
        np.testing.assert_array_equal(
            np.concatenate([part.normals(9, 3) for part in parts]), together.normals(9, 3)
        )
