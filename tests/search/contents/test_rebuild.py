"""Rebuilds that nobody asked for: what becomes of those that fail."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from likewise.errors import LikewiseError
from likewise.search.contents import contents as contents_module
from likewise.search.families.exact import Exact
from likewise.search.index import Index


def test_a_rebuild_that_failed_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(contents_module, "FRESH_ROWS", 40)
    built = Exact.build
    index = Index.build(np.random.default_rng(0).normal(size=(100, 4)))
    contents = index._contents
    tries: list[int] = []

    def fails(*_: object) -> Exact:
        tries.append(contents.snapshot.fresh.count)
        raise MemoryError("no room\nfor this")

    def add(count: int, first: int) -> None:
        for number in range(first, first + count):  # one at a time, as photos come in
            index.add(np.random.default_rng(number).normal(size=(1, 4)), [number])
            if contents._worker is not None:
                contents._worker.join()

    monkeypatch.setattr(Exact, "build", fails)
    with caplog.at_level(logging.WARNING, logger="likewise"):
        add(100, 1000)
    assert tries == [41, 81]  # once it pays, and after as much again
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "rebuilding the index failed (no room)"
    ] * 2
    assert index.degraded
    monkeypatch.setattr(Exact, "build", built)
    add(21, 2000)
    index.wait()  # what failed before has been made good
    assert not index.degraded
    assert (contents.snapshot.fresh.count, len(index)) == (0, 221)


def test_whoever_waits_is_told_and_the_next_change_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contents_module, "FRESH_ROWS", 10)
    built = Exact.build
    index = Index.build(np.eye(4))

    def fails(*_: object) -> Exact:
        raise MemoryError

    monkeypatch.setattr(Exact, "build", fails)
    index.add(np.ones((11, 4)), np.arange(100, 111))
    with pytest.raises(LikewiseError, match="rebuilding the index failed: MemoryError"):
        index.wait()
    monkeypatch.setattr(Exact, "build", built)
    index.remove([100])
    index.wait()
    assert not index.degraded
