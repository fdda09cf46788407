"""Any order of adding, updating, removing, rebuilding, saving: an index stays a dictionary."""

from __future__ import annotations

import tempfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from likewise.errors import InputError
from likewise.search.index import Index
from likewise.search.interface import open_index
from tests.search.backends import Backend
from tests.search.cases import COUNT, DIMENSION, IDS, ITEMS, VECTORS, best, people

POOL = people(64, DIMENSION, seed=9)
NEW = st.integers(0, 63)
OLD = st.sampled_from(IDS[:50].tolist())


class Life(RuleBasedStateMachine):
    """What one index of a backend goes through."""

    backend: Backend

    def __init__(self) -> None:
        super().__init__()
        if self.backend.uri is None:
            count, self.index = COUNT, self.backend.people()
        else:  # a server takes its time
            count = 60
            self.index = self.backend.build(VECTORS[:60], IDS[:60], items=ITEMS.slice(0, 60))
        self.model = dict(zip(IDS[:count].tolist(), VECTORS[:count], strict=True))

    def items(self, count: int) -> pa.Table:
        return pa.table({"path": [f"new{n}" for n in range(count)], "camera": [9] * count})

    @rule(rows=st.lists(NEW, max_size=5, unique=True), shift=st.integers(0, 3))
    def add(self, rows: list[int], shift: int) -> None:
        numbers = [row + 64 * shift for row in rows]
        vectors = POOL[rows]
        if any(number in self.model for number in numbers):
            with pytest.raises(InputError, match="already in the index"):
                self.index.add(vectors, numbers, self.items(len(rows)))
            return
        self.index.add(vectors, np.asarray(numbers, np.int64), self.items(len(rows)))
        self.model |= dict(zip(numbers, vectors, strict=True))

    @rule(old=st.lists(OLD, max_size=3, unique=True), new=st.lists(NEW, max_size=3, unique=True))
    def update(self, old: list[int], new: list[int]) -> None:
        numbers = np.asarray([*old, *new], np.int64)
        vectors = POOL[(np.arange(len(numbers)) * 7 + len(self.model)) % 64]
        self.index.update(vectors, numbers, self.items(len(numbers)))
        self.model |= dict(zip(numbers.tolist(), vectors, strict=True))

    @rule(numbers=st.lists(st.one_of(OLD, NEW), max_size=8))
    def remove(self, numbers: list[int]) -> None:
        expected = len({number for number in numbers if number in self.model})
        assert self.index.remove(np.asarray(numbers, np.int64)) == expected
        for number in numbers:
            self.model.pop(number, None)

    @rule()
    def remove_all(self) -> None:
        assert self.index.remove(np.array([*self.model], np.int64)) == len(self.model)
        self.model.clear()

    @rule()
    def rebuild(self) -> None:
        if isinstance(self.index, Index):  # a server sees to that itself
            self.index.rebuild()

    @rule(mmap=st.booleans())
    def save_and_open(self, mmap: bool) -> None:
        with tempfile.TemporaryDirectory() as folder:
            local = isinstance(self.index, Index)
            self.index.save(folder)
            self.index = Index.load(folder, mmap=mmap) if local else open_index(folder)

    @rule(place=NEW, k=st.integers(1, 12))
    def search(self, place: int, k: int) -> None:
        scores, ids = self.index.search(POOL[place], k)
        assert ids.shape == (1, min(k, len(self.model)))
        found = ids[0].tolist()
        assert len(set(found)) == len(found)
        query = POOL[place] / np.linalg.norm(POOL[place])
        for score, number in zip(scores[0].tolist(), found, strict=True):
            vector = self.model[number]
            assert abs(score - float(vector @ query) / float(np.linalg.norm(vector))) < 1e-5
        if self.backend.exact and self.model:
            vectors, ids = np.stack([*self.model.values()]), np.array([*self.model])
            assert found == best(vectors, ids, POOL[place], "cosine", k)
        if not isinstance(self.index, Index):
            return
        same = [n for n, vector in self.model.items() if np.array_equal(vector, POOL[place])]
        if same and self.index._contents.snapshot.fresh.count:
            fresh = set(self.index._contents.snapshot.fresh.ids.tolist())
            if len(set(same) & fresh) >= k:  # what is fresh is found for certain
                assert scores[0, -1] > 0.9999

    @invariant()
    def the_same_ids(self) -> None:
        assert len(self.index) == len(self.model)
        assert set(self.index.ids.tolist()) == set(self.model)


def test_a_life(backend: Backend) -> None:
    kind = type(f"Life_{backend.name}", (Life,), {"backend": backend})
    run_state_machine_as_test(
        kind, settings=settings(max_examples=2, stateful_step_count=10, deadline=None)
    )


@pytest.mark.slow
def test_a_long_life(backend: Backend) -> None:
    kind = type(f"LongLife_{backend.name}", (Life,), {"backend": backend})
    run_state_machine_as_test(
        kind, settings=settings(max_examples=30, stateful_step_count=50, deadline=None)
    )
