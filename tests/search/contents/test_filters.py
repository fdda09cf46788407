"""Filters, by ids and by what the vectors are of: every index chooses alike."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from likewise.errors import InputError
from likewise.search.contents import nearest as nearest_module
from tests.search.backends import Backend, items
from tests.search.cases import COUNT, IDS, ITEMS, QUERIES, VECTORS, best, recall, truth


@pytest.fixture
def engines_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family's engine is given the filter although the index is small."""
    monkeypatch.setattr(nearest_module, "FEW_ROWS", 0)


@pytest.mark.usefixtures("engines_filter")
def test_filters_by_ids(backend: Backend) -> None:
    index = backend.same_people()
    for part in (0.02, 0.3, 0.9):
        allowed = np.random.default_rng(5).permutation(IDS)[: int(part * COUNT)]
        kept = np.isin(IDS, allowed)
        _, ids = index.search(QUERIES, 10, filter=np.append(allowed, [5, 6]))
        assert np.isin(ids, allowed).all()
        assert ids.shape == (len(QUERIES), 10)
        expected = [best(VECTORS[kept], IDS[kept], q, index.metric, 10) for q in QUERIES]
        assert recall(ids, expected) >= backend.floor - 0.1
    assert index.search(QUERIES, 10, filter=[])[1].shape == (len(QUERIES), 0)
    assert index.search(QUERIES[0], 10, filter=IDS[:3])[1].shape == (1, 3)


def test_every_filter_chooses_alike(backend: Backend) -> None:
    """So few vectors are searched exactly where a filter is given, whatever the family."""
    table = pa.table(
        {
            "path": [f"{n}.jpg" for n in range(300)],
            "camera": pa.array([n % 7 for n in range(300)], pa.int16()),
            "blur": pa.array([None if n % 5 == 0 else n / 300 for n in range(300)], pa.float32()),
            "indoor": [n % 2 == 0 for n in range(300)],
        }
    )
    field = pc.field
    index = backend.build(VECTORS[:300], IDS[:300], items=table)
    for wanted in (
        field("camera") == 3,
        (field("camera") == 3) | (field("camera") >= 5) & (field("path") == "5.jpg"),
        field("path") == 'no"; or \\"x',
        field("camera") != 3,
        ~(field("camera") == 3),
        field("camera").isin([1, 2]),
        field("blur") > 0.5,
        field("blur").is_null(),
        field("indoor") & (field("camera") < 2),
        pc.starts_with(field("path"), "1"),
    ):
        rows = table.append_column("row", pa.array(np.arange(300))).filter(wanted)["row"].to_numpy()
        _, ids = index.search(QUERIES[:9], 7, filter=wanted)
        assert ids.tolist() == [
            best(VECTORS[rows], IDS[rows], query, index.metric, 7) for query in QUERIES[:9]
        ]
        limits, _, ids = index.range_search(QUERIES[:2], 0.3, filter=wanted)
        right = [IDS[rows][truth(VECTORS[rows], q, index.metric) >= 0.3] for q in QUERIES[:2]]
        for query in range(2):
            found = ids[limits[query] : limits[query + 1]]
            assert sorted(found.tolist()) == sorted(right[query].tolist())


@pytest.mark.usefixtures("engines_filter")
def test_filters_by_metadata_that_follow_every_change(backend: Backend) -> None:
    index = backend.people()
    by_camera = (pc.field("camera") == 3) | (pc.field("camera") == 5)
    _, ids = index.search(QUERIES, 10, filter=by_camera)
    assert all(row["camera"] in (3, 5) for row in index.describe(ids.reshape(-1)))
    index.remove(ids[:, 0])
    index.add(QUERIES[:1], [7], items("new.jpg", camera=5))
    _, after = index.search(QUERIES, 10, filter=by_camera)
    assert not np.isin(after, ids[:, 0]).any()
    assert after[0, 0] == 7
    assert all(row["camera"] in (3, 5) for row in index.describe(after.reshape(-1)))


def test_a_column_may_come_later_but_never_as_another_type(backend: Backend) -> None:
    index = backend.build(VECTORS[:9], items=ITEMS.slice(0, 9))
    more = items("new", camera=9).append_column("lens", pa.array(["wide"]))
    smallest = -(2**63)
    index.add(QUERIES[:1], [smallest], more)
    assert index.describe([smallest, 0]) == [
        {"path": "new", "camera": 9, "lens": "wide"},
        {"path": "0.jpg", "camera": 0, "lens": None},
    ]
    assert index.search(QUERIES[0], 5, filter=pc.field("lens") == "wide")[1].tolist() == [
        [smallest]
    ]
    for wrong in (pa.table({"path": [1]}), pa.table({"lens": [0.5]})):
        with pytest.raises(InputError, match=r"items: their columns do not fit the index's"):
            index.add(QUERIES[1:2], [77], wrong)
    assert len(index) == 10
    index.add(QUERIES[1:2], [77], pa.table({"path": pa.nulls(1)}))
    assert index.describe([77]) == [{"path": None, "camera": None, "lens": None}]
    empty = backend.build(VECTORS[:1], items=pa.table({"path": pa.nulls(1)}))
    empty.add(QUERIES[:1], [5], pa.table({"path": ["now.jpg"]}))
    assert empty.describe([0, 5]) == [{"path": None}, {"path": "now.jpg"}]
