"""Separation against a plain loop over all pairs, and on simple shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from likewise.errors import InputError
from likewise.evaluation import separation as module
from likewise.evaluation.separation import separation


def by_loop(vectors: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    def angle(i: int, j: int) -> float:
        a, b = vectors[i], vectors[j]
        cosine = float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
        return math.acos(max(-1.0, min(1.0, cosine)))

    within, between, overlapping, counted = [], [], 0, 0
    for i in range(len(vectors)):
        own = [angle(i, j) for j in range(len(vectors)) if j != i and labels[j] == labels[i]]
        others = [angle(i, j) for j in range(len(vectors)) if labels[j] != labels[i]]
        within += own
        between += others
        if own:
            counted += 1
            overlapping += max(own) > min(others)
    return sum(within) / len(within), sum(between) / len(between), overlapping / counted


@pytest.mark.parametrize("block", [1, 50, 2**22])
def test_against_a_plain_loop(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    random = np.random.default_rng(0)
    labels = np.array([0] * 9 + [1] * 5 + [2] * 7 + [3])  # one class of a single sample
    vectors = random.normal(size=(len(labels), 3)) + 2 * random.normal(size=(4, 3))[labels]
    measured = separation(vectors, labels)
    expected = by_loop(vectors, labels)
    assert (measured.within, measured.between) == pytest.approx(expected[:2], abs=1e-7)
    assert measured.overlap == pytest.approx(expected[2])
    assert 0 < measured.overlap < 1


def test_lengths_and_names_do_not_matter() -> None:
    random = np.random.default_rng(1)
    vectors, labels = random.normal(size=(12, 4)), np.arange(12) % 3
    stretched = vectors * random.uniform(0.1, 10, (12, 1))
    names = np.array(["anna", "bob", "carl"])[labels]
    first, second = separation(vectors, labels), separation(stretched, names)
    assert first.within == pytest.approx(second.within)
    assert first.between == pytest.approx(second.between)
    assert first.overlap == second.overlap


def test_classes_on_axes_are_a_right_angle_apart() -> None:
    measured = separation(np.repeat(np.eye(3), 4, axis=0), np.repeat(np.arange(3), 4))
    assert (measured.within, measured.overlap) == (0.0, 0.0)
    assert measured.between == pytest.approx(math.pi / 2)


@pytest.mark.parametrize(
    ("vectors", "labels", "problem"),
    [
        ([[1.0, 0.0], [0.0, 0.0]], [0, 1], "row 1 is zero"),
        ([[1.0, 0.0], [math.nan, 0.0]], [0, 1], "row 1"),
        ([[1.0, 0.0]] * 2, [0, 0], "fewer than two classes"),
        ([[1.0, 0.0]] * 2, [0, 1], "no class has two samples"),
        ([1.0, 0.0], [0, 1], "must be"),
        ([[1.0, 0.0]] * 2, [0], "must be"),
    ],
)
def test_wrong_use_says_what_is_wrong(vectors: object, labels: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        separation(vectors, labels)
