"""What every family does, beyond the interface of every index: its engine, rebuilt and mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from likewise.search.engines.parameters import checked_settings
from likewise.search.families import FAMILIES
from likewise.search.index import Index
from tests.search.backends import items
from tests.search.cases import (
    EACH,
    IDS,
    LIGHT,
    QUERIES,
    VECTORS,
    best,
    index_of,
    people,
    recall,
)

each_family = pytest.mark.parametrize("name", EACH)


@each_family
def test_it_searches_with_the_familys_own_engine(name: str) -> None:
    for metric in FAMILIES[name].metrics:
        assert index_of(name, metric).engine.name == name
    for dimension in (1, 2, 7):
        vectors = people(1100, dimension, seed=2)
        assert Index.build(vectors, family=name, settings=LIGHT.get(name)).engine.name == name


@each_family
def test_more_effort_finds_more(name: str) -> None:
    index = index_of(name)
    expected = [best(VECTORS, IDS, q, index.metric, 10) for q in QUERIES]
    least, most = (
        recall(index.with_effort(effort).search(QUERIES, 10)[1], expected) for effort in (0, 1)
    )
    assert most >= max(least, 0.85 if name == "annoy" else 0.93)


@each_family
def test_the_grids_hold_settings_that_the_family_takes(name: str) -> None:
    family = FAMILIES[name]
    for metric in family.metrics:
        for settings in family.build_grid(200_000, 128, metric):
            assert (
                checked_settings(name, family.build_parameters, settings).items()
                >= settings.items()
            )
            grid = family.search_grid(settings, 200_000, 10)
            assert 1 <= len(grid) <= 50
            for search in grid:
                checked_settings(name, family.search_parameters, search)
    assert family.build_grid(3, 1, family.metrics[0])
    assert family.search_grid({}, 3, 10)


@each_family
def test_rebuilding_changes_no_content(name: str) -> None:
    index = index_of(name)
    index.remove(IDS[:100])
    index.add(QUERIES[:3], [1, 2, 3], pa.table({"path": list("abc"), "camera": [0, 1, 2]}))
    before = (index.ids.tolist(), index.items)
    index.rebuild()
    assert (index.ids.tolist(), index.items) == before
    assert index._contents.snapshot.fresh.count == index._contents.snapshot.gone_count == 0
    assert index.engine.name == name
    assert index.search(QUERIES[:3], 1)[1][:, 0].tolist() == [1, 2, 3]


@each_family
def test_every_setting_that_the_tuner_tries_can_be_built(name: str) -> None:
    """Build and search with each build setting of the family's grid, at its greatest effort."""
    kind = FAMILIES[name]
    vectors = np.random.default_rng(3).normal(size=(1200, 32)).astype(np.float32)
    for settings in kind.build_grid(len(vectors), vectors.shape[1], "cosine"):
        index = Index.build(vectors, family=name, settings=settings).with_effort(1.0)
        _, ids = index.search(vectors[:20], 1)
        assert (ids[:, 0] == np.arange(20)).mean() >= 0.9, settings


@each_family
def test_an_emptied_index_is_built_anew(name: str) -> None:
    index = Index.build(np.eye(4), family=name)
    index.remove(np.arange(4))
    index.rebuild()
    assert len(index) == 0
    index.add(np.eye(4), [4, 3, 2, 1])
    assert index.search(np.eye(4)[1], 1)[1].tolist() == [[3]]


@each_family
def test_mapped_from_disk_or_read_alike(name: str, tmp_path: Path) -> None:
    index = index_of(name)
    index.remove(IDS[:20])
    index.add(QUERIES[:3], [1, 2, 3], items("a", "b", "c"))
    index.evidence["recall"] = 0.9
    index.save(tmp_path / "index")
    for mmap in (True, False):
        back = Index.load(tmp_path / "index", mmap=mmap, fingerprint="abc")
        assert back.evidence == {"recall": 0.9}
        for one, other in zip(index.search(QUERIES, 10), back.search(QUERIES, 10), strict=True):
            np.testing.assert_array_equal(one, other)
        assert back.memory_bytes > 0
        back.save(tmp_path / "again")  # a mapped index can be saved, also over another
        assert len(Index.load(tmp_path / "again")) == len(index)
