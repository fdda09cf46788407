"""Readers beside a writer: each search sees the index as it was at one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from likewise.errors import LikewiseError
from likewise.search.contents import contents as contents_module
from likewise.search.families.exact import Exact
from likewise.search.families.hnsw import HNSW
from likewise.search.index import Index
from tests.search.backends import Backend
from tests.search.cases import COUNT, DIMENSION, IDS, QUERIES, index_of, people


def beside(readers: list[Callable[[], None]], writer: Callable[[], None]) -> None:
    """Run the readers again and again until the writer is done; raise what any of them raised."""
    done, problems = threading.Event(), []

    def again(reader: Callable[[], None]) -> None:
        try:
            while not done.is_set():
                reader()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=again, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    try:
        writer()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    if problems:
        raise problems[0]


def test_a_search_never_sees_half_a_change(backend: Backend) -> None:
    index = backend.people()
    pairs = people(2, DIMENSION, seed=8)
    other = index.with_effort(0) if isinstance(index, Index) else index

    def reader() -> None:  # two rows come and go together, so their count is even
        _, ids = index.search(pairs, 6)
        assert {int((row < 2).sum()) for row in ids} <= {0, 2}
        other.search(QUERIES[0], 3)
        index.range_search(QUERIES[:1], 0.9)

    def writer() -> None:
        table = pa.table({"path": ["x", "y"], "camera": [1, 1]})
        for turn in range(6):
            # The same vector twice is the nearest twice over, wherever it is asked for.
            index.add(np.stack([pairs.sum(axis=0)] * 2), [0, 1], table)
            if turn % 3 == 2 and isinstance(index, Index) and backend.name != "nsg":
                index.rebuild()
            index.remove([0, 1])
        index.remove(IDS[:50])

    beside([reader, reader], writer)
    assert len(index) == COUNT - 50


def test_what_changes_during_a_rebuild_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of("hnsw")
    items = pa.table({"path": ["a", "b"], "camera": [1, 2]})
    index.add(QUERIES[:2], [1, 2], items)
    index.remove(IDS[:5])
    started, go_on = threading.Event(), threading.Event()
    build = HNSW.build.__func__

    def slow(cls: type[HNSW], *arguments: object) -> object:
        started.set()
        assert go_on.wait(20)
        return build(cls, *arguments)

    monkeypatch.setattr(HNSW, "build", classmethod(slow))
    index.rebuild(background=True)
    assert started.wait(20)
    index.add(QUERIES[2:4], [3, 4], items)  # a new row
    index.update(QUERIES[4:6], [2, int(IDS[9])], items)  # a fresh row and an old one replaced
    index.remove([1, int(IDS[10])])  # a fresh row and an old one gone
    index.add(QUERIES[6:7], [int(IDS[0])], items.slice(0, 1))  # one that was gone before is back
    expected = sorted(index.ids.tolist())
    go_on.set()
    index.wait()
    snapshot = index._contents.snapshot
    assert snapshot.fresh.ids.tolist() == [3, 4, 2, int(IDS[9]), int(IDS[0])]
    assert sorted(index.ids.tolist()) == expected
    assert index.search(QUERIES[2:7], 1)[1][:, 0].tolist() == [3, 4, 2, IDS[9], IDS[0]]
    assert not np.isin(index.search(QUERIES, 30)[1], [1, IDS[10]]).any()
    index.rebuild()
    assert sorted(index.ids.tolist()) == expected


def test_growth_and_removals_start_a_rebuild(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents_module, "FRESH_ROWS", 40)
    index = Index.build(people(200, 8))
    index.add(people(41, 8, seed=1), np.arange(1000, 1041))
    index.wait()
    assert index._contents.snapshot.fresh.count == 0
    assert len(index.engine._vectors) == 241
    index.remove(np.arange(100))
    index.wait()
    assert index._contents.snapshot.gone_count == 0
    assert not index.degraded


def test_a_rebuild_that_fails_leaves_the_old_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index.build(np.eye(4))
    index.add(np.ones((1, 4)), [9])

    def fails(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(Exact, "build", fails)
    index.rebuild(background=True)
    with pytest.raises(LikewiseError, match="rebuilding the index failed: no room"):
        index.wait()
    assert index.search(np.ones(4), 1)[1].tolist() == [[9]]
