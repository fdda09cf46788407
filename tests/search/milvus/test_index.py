"""What is of Milvus alone; what every index does, the suite beside asks of this one too."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError
from likewise.search.index import Index
from likewise.search.interface import open_index
from likewise.search.milvus import collection as collection_module
from likewise.search.milvus import nearest as nearest_module
from likewise.search.milvus.index import MilvusIndex
from likewise.search.milvus.server import Server
from tests.search.backends import same

COUNT, DIMENSION = 300, 12
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(COUNT, DIMENSION)).astype(np.float32)
QUERIES = RANDOM.normal(size=(12, DIMENSION)).astype(np.float32)
IDS = RANDOM.permutation(COUNT) + 2**40
ITEMS = pa.table(
    {"path": [f"{n}.jpg" for n in range(COUNT)], "camera": [n % 7 for n in range(COUNT)]}
)
EXACT = {"kind": "FLAT"}


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A collection of the test's own."""
    return "".join(c if c.isalnum() else "_" for c in request.node.name)


def built(milvus: str, name: str, **given: object) -> MilvusIndex:
    options = {"items": ITEMS, "settings": EXACT, "fingerprint": "abc", **given}
    return MilvusIndex.build(VECTORS, IDS, uri=milvus, collection=name, **options)


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
    with pytest.raises(InputError, match="is not an index of Likewise"):
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


def test_the_map_of_a_metric_lives_and_dies_with_its_index(
    milvus: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    factor = RANDOM.normal(size=(5, DIMENSION))
    index = built(milvus, name, metric=Mahalanobis(factor=factor))
    server = index._collection.server
    assert MilvusIndex.open(milvus, name)._space.factor.tolist() == (
        factor.astype(np.float32).tolist()
    )

    def kept() -> list[str]:
        ours = [n for n in server.call("list_collections") if n.startswith(f"{name}_")]
        return sorted(n[len(name) + 9 :] for n in ours)

    assert kept() == ["", "_factor"]
    built(milvus, name, metric=Mahalanobis(factor=factor[:3]))
    assert kept() == ["", "_factor"]
    assert MilvusIndex.open(milvus, name).vectors.shape == (COUNT, 3)

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Server, "schema", fails)
        with pytest.raises(KeyboardInterrupt):
            built(milvus, name, metric=Mahalanobis(factor=factor))
    assert kept() == ["", "_factor"]
    built(milvus, name)
    assert kept() == [""]
    built(milvus, name, metric=Mahalanobis(factor=factor)).drop()
    assert kept() == []


def test_two_programs_may_bring_columns(milvus: str, name: str) -> None:
    one, other = built(milvus, name), MilvusIndex.open(milvus, name)
    one.add(QUERIES[:1], [1], pa.table({"lens": ["wide"]}))
    other.add(QUERIES[1:2], [2], pa.table({"pose": [0.5]}))
    assert MilvusIndex.open(milvus, name).describe([1, 2]) == [
        {"path": None, "camera": None, "lens": "wide", "pose": None},
        {"path": None, "camera": None, "lens": None, "pose": 0.5},
    ]
    with pytest.raises(InputError, match="do not fit"):
        other.add(QUERIES[2:3], [3], pa.table({"lens": [1]}))


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


def test_wrong_input_is_refused_before_the_server_sees_it(milvus: str, name: str) -> None:
    for given, problem in (
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
