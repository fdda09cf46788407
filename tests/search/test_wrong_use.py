"""Bad input: one clear line each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from likewise.errors import InputError, MissingExtra
from likewise.search.contents.space import METRICS
from likewise.search.engines.parameters import parse_settings
from likewise.search.families import FAMILIES, available
from likewise.search.index import Index
from tests.search.backends import Backend
from tests.search.cases import DIMENSION, QUERIES, people


@pytest.mark.parametrize("name", [n for n in FAMILIES if FAMILIES[n].extra])
def test_a_missing_extra_says_how_to_install_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = str(FAMILIES[name].library)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'likewise\[{name}\]'"):
        Index.build(np.eye(3), family=name)
    assert name not in available()


@pytest.mark.parametrize(
    ("family", "settings", "problem"),
    [
        ("hnws", {}, "family: unknown value 'hnws'; did you mean 'hnsw'"),
        ("hnsw", {"link": 4}, "hnsw: parameter: unknown value 'link'; did you mean 'links'"),
        ("hnsw", {"links": 1}, "hnsw: links: 1; must be a whole number from 2 to 256"),
        ("hnsw", {"links": "many"}, "hnsw: links: 'many'; must be a number"),
        ("hnsw", {"links": 4.5}, "hnsw: links: 4.5; must be a whole number"),
        ("hnsw", {"links": float("inf")}, "hnsw: links: inf; must be a whole number from"),
        ("hnsw", {"storage": "int9"}, "did you mean 'int8'"),
        ("exact", {"links": 3}, "exact: parameter links: unknown"),
        ("lsh", {"bits": 4}, "lsh: bits: 4; must be a whole number from 8"),
    ],
)
def test_wrong_settings(family: str, settings: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        Index.build(people(20, 3), family=family, settings=settings)


def test_words_of_the_command_line_are_settings() -> None:
    settings = parse_settings(["links=8", "storage=int8"])
    assert Index.build(people(50, 4), family="hnsw", settings=settings).settings == {
        "links": 8,
        "storage": "int8",
        "ef_construction": 100,
    }
    with pytest.raises(InputError, match="write NAME=VALUE"):
        parse_settings(["links"])


def test_wrong_metrics(backend: Backend) -> None:
    with pytest.raises(InputError, match="did you mean 'euclidean'"):
        backend.build(np.eye(3), metric="euclidian")
    with pytest.raises(InputError, match="no such file"):
        backend.build(np.eye(3), metric="mahalanobis:none.npy")
    for metric in {*METRICS} - {*backend.metrics}:
        with pytest.raises(InputError, match=f"family {backend.name}: has no metric {metric}; it"):
            backend.build(np.eye(3), metric=metric)


def test_wrong_filters(backend: Backend) -> None:
    index = backend.build(np.eye(3), items=pa.table({"path": list("abc")}))
    with pytest.raises(InputError, match="camera.*columns are: path"):
        index.search(np.ones(3), filter=pc.field("camera") == 1)
    with pytest.raises(InputError, match="filter: .*columns are: path"):
        index.range_search(np.ones(3), 0.1, filter=pc.field("path") == 1)
    with pytest.raises(InputError, match="expected int64 ids.* or a pyarrow expression"):
        index.search(np.ones(3), filter=[0.5])
    with pytest.raises(InputError, match="this index has none"):
        backend.build(np.eye(3)).search(np.ones(3), filter=pc.field("camera") == 1)


def test_wrong_changes(backend: Backend) -> None:
    index = backend.build(np.eye(3), items=pa.table({"path": list("abc")}))
    one = pa.table({"path": ["d"]})
    for vectors, ids, items, problem in (
        (np.ones((1, 2)), [9], one, "have 2 dimensions, not 3"),
        (np.ones((1, 3)), [9], None, "must both have them, or neither"),
        (np.ones((1, 3)), [9], pa.table({"path": ["d", "e"]}), "2 rows for 1 vectors"),
        (np.ones((1, 3)), [9], pa.table({"path": [{"a": 1}]}), "columns do not fit|is of type"),
        (np.ones((1, 3)), np.array([2**63], np.uint64), one, "beyond int64"),
        (np.ones((1, 3)), [0.5], one, "ids: expected integers"),
        (np.ones((1, 3)), [9, 8], one, "ids: 2 for 1 vectors"),
    ):
        for change in (index.add, index.update):
            with pytest.raises(InputError, match=problem):
                change(vectors, ids, items)
    with pytest.raises(InputError, match="ids: expected integers"):
        index.remove([0.5])
    with pytest.raises(InputError, match="77 is not in the index"):
        index.describe([0, 77])
    assert index.ids.tolist() == [0, 1, 2]


def test_wrong_queries(backend: Backend) -> None:
    index = backend.same_people()
    for query, k, problem in (
        (np.ones(3), 1, f"have 3 dimensions, the index has {DIMENSION}"),
        (np.zeros(DIMENSION), 1, "row 0 is zero"),
        (np.full(DIMENSION, np.nan), 1, "row 0 is not finite"),
        (np.ones(DIMENSION), 0, "k: 0; must be a whole number of at least 1"),
        (["a"] * DIMENSION, 1, "queries: expected numbers"),
    ):
        with pytest.raises(InputError, match=problem):
            index.search(query, k)
    with pytest.raises(InputError, match="threshold: is not a number"):
        index.range_search(QUERIES, float("nan"))
    for act in (
        lambda: index.search(QUERIES, settings={"none": 3}),
        lambda: index.range_search(QUERIES, 0.5, settings={"none": 3}),
        lambda: index.with_search_settings({"none": 3}),
    ):
        with pytest.raises(InputError, match=f"{backend.name}: parameter.* unknown"):
            act()


@pytest.mark.parametrize(
    ("vectors", "ids", "problem"),
    [
        ([[1.0, float("nan")]], None, "row 0 is not finite"),
        ([[1.0, 1.0], [0.0, 0.0]], None, "row 1 is zero"),
        ([[1.0], [2.0]], [1, 1], "1 occurs twice"),
        ([[1.0], [2.0]], [1], "1 for 2 vectors"),
        ([[1.0]], [1.5], "expected integers"),
        ([1.0, 2.0], None, r"expected numbers \[N,D\]"),
        ([["a"]], None, "expected numbers"),
    ],
)
def test_wrong_vectors(
    backend: Backend, vectors: list[object], ids: list[int] | None, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        backend.build(vectors, ids)


def test_wrong_searches(tmp_path: Path) -> None:
    index = Index.build(people(600, 4), family="hnsw")
    with pytest.raises(InputError, match="hnsw: parameter: unknown value 'eff'"):
        index.search(np.ones(4), settings={"eff": 3})
    with pytest.raises(InputError, match="effort: .*; must be a number from 0 to 1"):
        index.with_effort(2)
    assert index.with_search_settings({"ef": 7}).search_settings == {"ef": 7}
    assert index.search_settings == {"ef": 64}


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (lambda _: Index.build([[1, 2], [3]]), "vectors: cannot be read as one array"),
        (lambda index: index.search([[1, 2, 3], [1]]), "queries: cannot be read as one array"),
        (lambda index: index.search_table([[1, 2, 3], [1]]), "queries: cannot be read as one"),
        (lambda index: index.search(np.ones(3), k=2.5), "k: 2.5; must be a whole number"),
        (lambda index: index.search(np.ones(3), k=True), "k: True; must be a whole number"),
        (lambda index: index.search(np.ones(3), k="3"), "k: '3'; must be a whole number"),
        (lambda index: index.search(np.ones(3), k=np.ones(2)), "k: .*; must be a whole number"),
        (lambda _: Index.build(np.eye(3), items={}), "items: 0 rows for 3 vectors"),
        (lambda index: index.range_search(np.ones(3), "x"), "threshold: is not a number; got 'x'"),
        (lambda index: index.range_search(np.ones(3), None), "threshold: is not a number"),
    ],
)
def test_a_wrong_argument_is_named(act: Callable[[Index], object], problem: str) -> None:
    with pytest.raises(InputError, match=f"^{problem}") as error:
        act(Index.build(np.eye(3)))
    assert "\n" not in str(error.value)


def test_no_id_is_rounded_and_none_wraps() -> None:
    """2^63 as int64 is the most negative of all: what had that id was removed."""
    index = Index.build(np.eye(2), [-(2**63), 1])
    big = np.array([2**63], np.uint64)
    table = pa.table(
        {"id": pa.array([2**63 + 5, 7], pa.uint64()), "embedding": [[1.0, 0], [0, 1.0]]}
    )
    for act in (
        lambda: index.remove(big),
        lambda: index.remove([2**63]),
        lambda: index.describe(big),
        lambda: index.search([1, 0], filter=big),
        lambda: Index.from_table(table),
        lambda: Index.build(np.eye(2), [2**70, 1]),
    ):
        with pytest.raises(InputError, match="beyond int64"):
            act()
    for numbers in ([0.9], ["1"], [None]):
        for act in (
            lambda ids=numbers: index.describe(ids),
            lambda ids=numbers: index.remove(ids),
            lambda ids=numbers: index.search([1, 0], filter=ids),
        ):
            with pytest.raises(InputError, match="expected int"):
                act()
    assert index.remove(np.array([1], np.uint64)) == 1
    assert index.describe([]) == []
    assert index.remove([]) == 0
