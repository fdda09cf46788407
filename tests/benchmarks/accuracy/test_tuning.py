"""Draws of new people, and maps fitted on them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from benchmarks.accuracy.store import Cell, Line
from benchmarks.accuracy.tuning import OTHER, Draw, Group, draw, mapped
from sklearn.metrics import roc_auc_score

from benchmarks.accuracy import distillation, levers, tuning
from likewise.errors import InputError


def group(seed: int, people: int = 6, each: int = 5) -> Group:
    """Vectors of very different lengths, far from the origin."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), each)
    vectors = 3 + random.normal(size=(people, 8))[labels] + random.normal(size=(len(labels), 8))
    vectors *= random.uniform(0.2, 5, (len(labels), 1))
    files = [Path(f"{row}.jpg") for row in range(len(labels))]
    return Group(files, labels, vectors.astype(np.float32))


def test_photos_to_learn_from_and_to_be_named_are_of_the_same_people_and_disjoint() -> None:
    drawn = draw(group(0), group(1), 4, 3, seed=0)
    assert set(drawn.learn.labels) == set(drawn.same.labels)
    assert np.bincount(drawn.learn.labels).max() == 3
    assert len(drawn.same.files) == 4 * OTHER
    assert not set(drawn.learn.files) & set(drawn.same.files)
    with pytest.raises(InputError, match="0 people have 6 photos; 4 are needed"):
        draw(group(0), group(1), 4, 4, seed=0)


def test_a_map_is_fitted_on_vectors_before_they_get_unit_length() -> None:
    learn, others = group(0), group(1)
    moved = others.vectors - learn.vectors.mean(axis=0)
    alike, same = [], []
    for i, j in combinations(range(len(moved)), 2):
        alike.append(moved[i] @ moved[j] / np.linalg.norm(moved[i]) / np.linalg.norm(moved[j]))
        same.append(others.labels[i] == others.labels[j])
    found = mapped(Draw(learn, learn, others), 1)
    assert found["auc"] == pytest.approx(roc_auc_score(same, alike), abs=2e-5)


def test_tables_of_levers_of_tuning_and_of_students() -> None:
    def line(numbers: dict[str, object], **keys: str | int) -> Line:
        return Line(Cell(keys), numbers, "a CPU", 0.1, "2026-01-02", "1")

    lines = [
        line({"auc": 0.8}, set="orl", lever="default", budget=1, seed=0),
        line({"auc": 0.9}, set="orl", lever="grey", budget=1, seed=0),
        line({"unchanged": True}, set="orl", lever="no flips", budget=1, seed=0),
    ]
    text = levers.markdown(lines)
    assert "| grey | +0.100 | +0.100 |" in text
    assert "no flips" not in text
    tuned = [
        line({"auc": 0.9, "named": 0.5}, kind="small", method="whitened", k=20, n=2, seed=seed)
        for seed in range(2)
    ]
    assert "| whitened | 20 × 2 | 0.900 ± 0.000 | 0.500 ± 0.000 |" in tuning.markdown(tuned)
    numbers: dict[str, object] = {
        "accuracy": 0.9, "auc": 0.95, "parameters": 1000, "photos_per_cpu_s": 99.6,
    }  # fmt: skip
    text = distillation.markdown([line(numbers, student="one", epochs=0, photos=0)])
    assert "| one | 0.9000 | 0.9500 | – | 1,000 | 100 | – |" in text
