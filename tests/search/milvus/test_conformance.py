"""The index on a server does what the exact index does, to the bit."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from likewise.errors import InputError
from likewise.search.index import Index
from likewise.search.interface import SearchIndex, open_index
from likewise.search.milvus import collection as collection_module
from likewise.search.milvus import nearest as nearest_module
from likewise.search.milvus.index import MilvusIndex

COUNT, DIMENSION = 300, 12
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(COUNT, DIMENSION)).astype(np.float32)
QUERIES = RANDOM.normal(size=(12, DIMENSION)).astype(np.float32)
IDS = RANDOM.permutation(COUNT) + 2**40
ITEMS = pa.table(
    {
        "path": [f"{n}.jpg" for n in range(COUNT)],
        "camera": pa.array([n % 7 for n in range(COUNT)], pa.int16()),
        "blur": pa.array([None if n % 5 == 0 else n / COUNT for n in range(COUNT)], pa.float32()),
        "indoor": [n % 2 == 0 for n in range(COUNT)],
    }
)
EXACT = {"kind": "FLAT"}


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A collection of the test's own."""
    return "".join(c if c.isalnum() else "_" for c in request.node.name)


def built(milvus: str, name: str, **given: object) -> MilvusIndex:
    options = {"items": ITEMS, "settings": EXACT, "fingerprint": "abc", **given}
    return MilvusIndex.build(VECTORS, IDS, uri=milvus, collection=name, **options)


def same(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_the_scores_and_the_order_of_the_exact_index(milvus: str, name: str, metric: str) -> None:
    index = built(milvus, name, metric=metric)
    exact = Index.build(VECTORS, IDS, metric=metric, items=ITEMS)
    assert isinstance(index, SearchIndex)
    assert isinstance(exact, SearchIndex)
    assert (len(index), index.metric, index.dimension) == (COUNT, metric, DIMENSION)
    same(index.search(QUERIES, 10), exact.search(QUERIES, 10))
    same(index.search(QUERIES[0], 1), exact.search(QUERIES[0], 1))
    same(index.search(QUERIES[:2], 10 * COUNT), exact.search(QUERIES[:2], 10 * COUNT))
    threshold = float(np.median(exact.search(QUERIES, 100)[0]))
    same(index.range_search(QUERIES, threshold), exact.range_search(QUERIES, threshold))
    order = np.argsort(IDS)
    np.testing.assert_array_equal(index.ids, exact.ids[order])
    np.testing.assert_array_equal(index.vectors, exact.vectors[order])
    assert index.items.equals(ITEMS.take(order))
    assert index.describe(IDS[:3]) == exact.describe(IDS[:3])


@pytest.mark.parametrize(
    "kind",
    [
        {"kind": "AUTOINDEX"},
        {"kind": "HNSW", "M": 8, "efConstruction": 60},
        {"kind": "IVF_FLAT", "nlist": 4},
    ],
    ids=lambda kind: kind["kind"],
)
def test_what_the_server_builds_is_scored_alike(
    milvus: str, name: str, kind: dict[str, object]
) -> None:
    index = built(milvus, name, settings=kind)
    assert index.settings.items() >= kind.items()
    exact = Index.build(VECTORS, IDS)
    scores, ids = index.search(QUERIES, 10)
    whole, all_ids = exact.search(QUERIES, COUNT)
    for row in range(len(QUERIES)):
        known = dict(zip(all_ids[row].tolist(), whole[row].tolist(), strict=True))
        assert scores[row].tolist() == [known[number] for number in ids[row].tolist()]
    assert np.mean([len(set(a) & set(b[:10])) for a, b in zip(ids, all_ids, strict=True)]) >= 9


def test_filters(milvus: str, name: str) -> None:
    index, exact = built(milvus, name), Index.build(VECTORS, IDS, items=ITEMS)
    field = pc.field
    for wanted in (
        np.append(IDS[::3], [5, 6]),
        IDS[:3],
        [],
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
        same(index.search(QUERIES, 7, filter=wanted), exact.search(QUERIES, 7, filter=wanted))
        same(
            index.range_search(QUERIES[:2], 0.3, filter=wanted),
            exact.range_search(QUERIES[:2], 0.3, filter=wanted),
        )
    for wrong, problem in (
        (field("lens") == 3, "lens"),
        (field("camera") == "three", "filter: "),
        ([1.5], "expected int64 ids"),
    ):
        with pytest.raises(InputError, match=problem):
            index.search(QUERIES, 7, filter=wrong)


def test_beyond_what_one_answer_holds(
    milvus: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Milvus answers with 16,384 rows at most; here with 40, and messages of a few rows."""
    monkeypatch.setattr(nearest_module, "LIMIT", 40)
    monkeypatch.setattr(collection_module, "MESSAGE_BYTES", 4000)
    for module in ("collection", "choice"):
        monkeypatch.setattr(f"likewise.search.milvus.{module}.MESSAGE_IDS", 50)
    index, exact = built(milvus, name), Index.build(VECTORS, IDS, items=ITEMS)
    many = np.append(IDS[:200], [1, 2])
    for wanted in (None, many, pc.field("camera") < 3):
        for k in (10, 60, 250):
            same(
                index.search(QUERIES[:3], k, filter=wanted),
                exact.search(QUERIES[:3], k, filter=wanted),
            )
    assert index.remove(many) == 200
    assert len(index) == COUNT - 200


def test_equals_are_in_the_order_of_their_ids(milvus: str, name: str) -> None:
    vectors = np.tile(VECTORS[:3], (20, 1))
    index = MilvusIndex.build(vectors, uri=milvus, collection=name, settings=EXACT)
    same(index.search(VECTORS[:3], 12), Index.build(vectors).search(VECTORS[:3], 12))


def test_what_is_written_is_found_and_an_id_is_written_once(milvus: str, name: str) -> None:
    index = built(milvus, name)
    more = pa.table({"path": ["new"], "camera": pa.array([9], pa.int16()), "lens": ["wide"]})
    index.add(QUERIES[:1], [-(2**63)], more)
    assert index.search(QUERIES[0], 1)[1].tolist() == [[-(2**63)]]
    assert index.describe([-(2**63)])[0]["lens"] == "wide"
    assert index.describe(IDS[:1])[0]["lens"] is None
    assert index.search(QUERIES[0], 5, filter=pc.field("lens") == "wide")[1].tolist() == [
        [-(2**63)]
    ]
    with pytest.raises(InputError, match=f"{IDS.min()} is already in the index"):
        index.add(QUERIES[:2], [7, IDS.min()], pa.concat_tables([more, more]))
    assert len(index) == COUNT + 1
    index.update(QUERIES[1:2], [-(2**63)], more)
    assert len(index) == COUNT + 1
    assert index.search(QUERIES[1], 1)[1].tolist() == [[-(2**63)]]
    assert index.remove([-(2**63), 3]) == 1
    assert index.remove(np.array([], np.int64)) == 0
    with pytest.raises(InputError, match="is not in the index"):
        index.describe([-(2**63)])
    with pytest.raises(InputError, match="both have them, or neither"):
        index.add(QUERIES[:1], [7])


def test_opened_by_name_and_by_folder(milvus: str, name: str, tmp_path: Path) -> None:
    index = built(milvus, name, settings={"kind": "HNSW"}, search_settings={"ef": 77})
    assert MilvusIndex.open(milvus, name, fingerprint="abc").search_settings["ef"] == 77
    with pytest.raises(InputError, match=r"another embedder \(abc\)"):
        MilvusIndex.open(milvus, name, fingerprint="def")
    Index.build(np.eye(3)).save(tmp_path)
    index.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]
    back = open_index(tmp_path, fingerprint="abc")
    same(back.search(QUERIES, 5), index.search(QUERIES, 5))
    with pytest.raises(InputError, match="another embedder"):
        open_index(tmp_path, fingerprint="def")
    with pytest.raises(InputError, match="open it with open_index"):
        Index.load(tmp_path)
    Index.build(np.eye(3)).save(tmp_path)
    assert isinstance(open_index(tmp_path), Index)
    with pytest.raises(InputError, match="open it with Index.load"):
        MilvusIndex.load(tmp_path)


def test_building_again_replaces_and_dropping_removes(milvus: str, name: str) -> None:
    built(milvus, name)
    again = MilvusIndex.build(VECTORS[:5], uri=milvus, collection=name)
    assert len(MilvusIndex.open(milvus, name)) == len(again) == 5
    assert again.items is None
    server = again._collection.server
    ours = [n for n in server.call("list_collections") if n.startswith(f"{name}_")]
    assert len(ours) == 1
    again.drop()
    with pytest.raises(InputError, match="has no index"):
        MilvusIndex.open(milvus, name)
    made = server.schema(4, "", {"index_type": "FLAT", "metric_type": "IP", "params": {}})
    server.call("create_collection", name, **made)
    with pytest.raises(InputError, match="another program made it"):
        built(milvus, name)
    with pytest.raises(InputError, match="is no index of Likewise's"):
        MilvusIndex.open(milvus, name)


def test_a_build_that_fails_leaves_the_old_index(
    milvus: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = built(milvus, name)

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(collection_module.Collection, "write", fails)
        with pytest.raises(KeyboardInterrupt):
            MilvusIndex.build(VECTORS[:5], uri=milvus, collection=name)
    assert len(MilvusIndex.open(milvus, name)) == COUNT
    ours = index._collection.server.call("list_collections")
    assert len([n for n in ours if n.startswith(f"{name}_")]) == 1


def test_readers_see_what_was_there_before_or_after_a_write(milvus: str, name: str) -> None:
    index = built(milvus, name, items=None)
    other = MilvusIndex.open(milvus, name)  # as another program would
    one, two = 3 * QUERIES[:1], -QUERIES[:1]
    index.add(one, [7])
    seen: list[tuple[int, float]] = []
    failed: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                scores, ids = other.search(QUERIES[0], 1, filter=[7])
                seen.append((int(ids[0, 0]), round(float(scores[0, 0]), 4)))
        except BaseException as error:
            failed.append(error)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(20):
        index.update(two if turn % 2 == 0 else one, [7])
    done.set()
    for reader in readers:
        reader.join(60)
    assert not failed
    assert set(seen) <= {(7, 1.0), (7, -1.0)}
    assert other.search(QUERIES[0], 1)[1].tolist() == [[7]]


def test_an_empty_index(milvus: str, name: str) -> None:
    index = MilvusIndex.build(np.empty((0, 4)), uri=milvus, collection=name)
    assert index.search(np.ones((2, 4)), 3)[1].shape == (2, 0)
    assert [p.tolist() for p in index.range_search(np.ones((2, 4)), -9)] == [[0] * 3, [], []]
    assert len(index) == len(index.ids) == len(index.vectors) == 0
    index.add(np.eye(4), [4, 3, 2, 1])
    assert index.search(np.eye(4)[1], 1)[1].tolist() == [[3]]
    assert index.describe([1]) == [{}]


def test_wrong_input_is_refused_before_the_server_sees_it(milvus: str, name: str) -> None:
    for given, problem in (
        ({"metric": "manhattan"}, "has no metric manhattan; it has: cosine, dot, euclidean"),
        ({"collection": "a; drop"}, "letters, digits"),
        ({"settings": {"kind": "flat"}}, "did you mean|choose from"),
        ({"search_settings": {"ef": 5}}, "spare"),
        ({"items": pa.table({"x": [[1]] * COUNT})}, "column x is of type list"),
        ({"items": pa.table({"x": [float("nan")] * COUNT})}, "row 0 .* not finite"),
        ({"items": pa.table({"x": ["y" * 70_000] * COUNT})}, "row 0 takes 70,"),
    ):
        with pytest.raises(InputError, match=problem):
            built(milvus, given.pop("collection", name), **given)
    with pytest.raises(InputError, match="has no index"):
        MilvusIndex.open(milvus, name)
    index = built(milvus, name)
    for query, k, problem in (
        (np.ones(3), 1, "have 3 dimensions, the index has 12"),
        (np.zeros(DIMENSION), 1, "row 0 is zero"),
        (np.full(DIMENSION, np.nan), 1, "row 0 is not finite"),
        (np.ones(DIMENSION), 0, "k: must be at least 1"),
    ):
        with pytest.raises(InputError, match=problem):
            index.search(query, k)


class Life(RuleBasedStateMachine):
    """Any order of adding, updating, removing, opening anew: the index stays a dictionary."""

    uri: str

    def __init__(self) -> None:
        super().__init__()
        self.index = MilvusIndex.build(
            VECTORS[:5], uri=self.uri, collection="life", settings=EXACT, metric="dot"
        )
        self.model = dict(enumerate(VECTORS[:5]))

    numbers = st.lists(st.integers(0, 15), max_size=4, unique=True)

    @rule(numbers=numbers, shift=st.integers(0, 100), replace=st.booleans())
    def write(self, numbers: list[int], shift: int, replace: bool) -> None:
        vectors = VECTORS[[number + shift for number in numbers]]
        ids = np.array(numbers, np.int64)
        if not replace and self.model.keys() & set(numbers):
            with pytest.raises(InputError, match="already in the index"):
                self.index.add(vectors, ids)
            return
        (self.index.update if replace else self.index.add)(vectors, ids)
        self.model |= dict(zip(numbers, vectors, strict=True))

    @rule(numbers=numbers)
    def remove(self, numbers: list[int]) -> None:
        assert self.index.remove(np.array(numbers, np.int64)) == len(self.model.keys() & {*numbers})
        for number in numbers:
            self.model.pop(number, None)

    @rule()
    def open(self) -> None:
        self.index = MilvusIndex.open(self.uri, "life")

    @invariant()
    def it_finds_what_the_dictionary_holds(self) -> None:
        assert len(self.index) == len(self.model)
        vectors = np.array(list(self.model.values())).reshape(-1, DIMENSION)
        exact = Index.build(vectors, np.array(list(self.model), np.int64), metric="dot")
        same(self.index.search(QUERIES[:2], 4), exact.search(QUERIES[:2], 4))


def test_a_life(milvus: str) -> None:
    kind = type("LifeOnAServer", (Life,), {"uri": milvus})
    run_state_machine_as_test(
        kind, settings=settings(max_examples=3, stateful_step_count=8, deadline=None)
    )
