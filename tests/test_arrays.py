"""Arrays and tables from NumPy, torch, pandas, Arrow and lists give the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import likewise
from likewise.arrays import as_array, as_table
from likewise.distances import Minkowski
from likewise.errors import InputError
from likewise.evaluation.clustering import cluster
from likewise.evaluation.identification.closed_set import identification
from likewise.evaluation.retrieval.metrics import retrieval

RANDOM = np.random.default_rng(3)
NUMBERS = RANDOM.normal(size=(40, 5)).astype(np.float32)
PEOPLE = np.arange(40) // 4
KINDS: dict[str, Callable[[Any], Any]] = {
    "numpy": np.asarray,
    "float64": lambda values: np.asarray(values, np.float64),
    "torch": torch.tensor,
    "with gradient": lambda values: torch.tensor(values, requires_grad=True),
    "list": lambda values: np.asarray(values).tolist(),
    "list of tensors": lambda values: list(torch.tensor(values)),
    "pandas": pd.DataFrame,
    "nullable": lambda values: pd.DataFrame(values).astype("Float32"),
    "column of lists": lambda values: pd.Series(np.asarray(values).tolist()),
    "arrow lists": lambda values: pa.array(np.asarray(values).tolist()),
}
LABELS: dict[str, Callable[[Any], Any]] = {
    "numpy": np.asarray,
    "torch": torch.tensor,
    "list": lambda values: np.asarray(values).tolist(),
    "names": lambda values: [f"person {value}" for value in values],
    "series": lambda values: pd.Series([f"person {value}" for value in values]),
    "categories": lambda values: pd.Series([f"person {v}" for v in values], dtype="category"),
    "arrow": lambda values: pa.array([f"person {value}" for value in values]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_the_same(kind: str) -> None:
    np.testing.assert_array_equal(as_array(KINDS[kind](NUMBERS), "x").astype("f4"), NUMBERS)


def test_types_that_numpy_lacks_and_views() -> None:
    half = torch.tensor(NUMBERS).bfloat16()
    assert as_array(half, "x").dtype == np.float32
    np.testing.assert_array_equal(as_array(half, "x"), half.float().numpy())
    shared = torch.tensor(NUMBERS)
    assert np.shares_memory(as_array(shared, "x"), shared.numpy())
    np.testing.assert_array_equal(as_array(shared.T, "x"), NUMBERS.T)


def test_what_is_no_array_is_named() -> None:
    with pytest.raises(InputError, match="vectors: cannot be read as one array"):
        as_array([[1, 2], [3]], "vectors")
    with pytest.raises(InputError, match="vectors: cannot be read as one array"):
        as_array([torch.ones(2), torch.ones(3)], "vectors")


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("kind", KINDS)
def test_evaluations_take_them(kind: str, labels: str) -> None:
    vectors, people = KINDS[kind](NUMBERS), LABELS[labels](PEOPLE)
    assert retrieval(vectors, people) == retrieval(NUMBERS, PEOPLE)
    given = identification(vectors, people, vectors, people).to_dict()
    assert given == identification(NUMBERS, PEOPLE, NUMBERS, PEOPLE).to_dict()
    np.testing.assert_array_equal(cluster(vectors, "kmeans", clusters=3),
                                  cluster(NUMBERS, "kmeans", clusters=3))  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_takes_them(kind: str) -> None:
    items = {"name": [f"n{row}" for row in range(40)], "camera": np.arange(40) % 3}
    plain = likewise.Index.build(NUMBERS, items=pa.table(items))
    for given in (items, pd.DataFrame(items)):
        index = likewise.Index.build(KINDS[kind](NUMBERS), items=given)
        scores, ids = index.search(KINDS[kind](NUMBERS[:6]), k=3)
        expected = plain.search(NUMBERS[:6], k=3)
        np.testing.assert_array_equal(ids, expected[1])
        np.testing.assert_array_equal(scores, expected[0])
        assert index.describe([7]) == plain.describe([7]) == [{"name": "n7", "camera": 1}]


def test_a_mask_filters_like_the_ids_that_it_marks() -> None:
    ids = RANDOM.permutation(1000)[:40]
    index = likewise.Index.build(NUMBERS, ids)
    index.remove(ids[:5])
    index.add(NUMBERS[:2] + 1, [2000, 2001])
    mask = RANDOM.random(len(index)) < 0.5
    for given in (mask, torch.tensor(mask), mask.tolist()):
        found = index.search(NUMBERS[:4], k=10, filter=given)
        wanted = index.search(NUMBERS[:4], k=10, filter=index.ids[mask])
        np.testing.assert_array_equal(found[1], wanted[1])
        np.testing.assert_array_equal(found[0], wanted[0])
    with pytest.raises(InputError, match="filter: only 0 and 1, one for each vector; a mask"):
        index.search(NUMBERS[0], filter=mask.astype(int))
    with pytest.raises(InputError, match=r"filter: a mask of shape \[3\] for 37 vectors"):
        index.search(NUMBERS[0], filter=[True, False, True])


def test_a_table_of_results_takes_a_filter_and_settings() -> None:
    index = likewise.Index.build(NUMBERS, items={"name": [f"n{row}" for row in range(40)]})
    found = index.search_table(torch.tensor(NUMBERS[:2]), k=2, filter=np.arange(40) > 20)
    assert found["id"].to_numpy().min() > 20
    assert found.column_names == ["query", "rank", "score", "id", "name"]
    with pytest.raises(InputError, match="nprobe"):
        index.search_table(NUMBERS[:2], settings={"nprobe": 3})


def test_tables() -> None:
    matrix = as_table({"id": [1, 2], "embedding": np.ones((2, 3)), "score": torch.ones(2)})
    assert matrix.to_pylist()[0] == {"id": 1, "embedding": [1.0, 1.0, 1.0], "score": 1.0}
    with pytest.raises(InputError, match="^items: str is neither a table nor a dictionary"):
        as_table("photos", "items")
    with pytest.raises(InputError, match="items: cannot be read as Arrow"):
        as_table({"a": [1, 2], "b": [1]}, "items")


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("kind", KINDS)
def test_evaluate_takes_vectors_and_labels(kind: str, labels: str) -> None:
    found = likewise.evaluate(KINDS[kind](NUMBERS), LABELS[labels](PEOPLE)).measured
    unit = NUMBERS / np.linalg.norm(NUMBERS, axis=1, keepdims=True)
    left, right = np.triu_indices(40, 1)
    scores, same = (unit[left] * unit[right]).sum(1), PEOPLE[left] == PEOPLE[right]
    genuine, impostor = scores[same], scores[~same]
    assert found.auc == pytest.approx((genuine[:, None] > impostor).mean(), abs=1e-3)
    assert (found.genuine, found.impostor) == (same.sum(), (~same).sum())


def test_embeddings_of_arrays() -> None:
    found = likewise.Embeddings.of(
        torch.tensor(NUMBERS), PEOPLE, names=[f"{n}.jpg" for n in range(40)], camera=PEOPLE % 2
    )
    np.testing.assert_array_equal(found.vectors, NUMBERS)
    assert found.items["identity"].to_pylist() == [str(person) for person in PEOPLE]
    assert found.items["camera"].to_pylist() == (PEOPLE % 2).tolist()
    assert found.names[3] == "3.jpg"
    assert "identity" not in likewise.Embeddings.of(NUMBERS).items.column_names


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ((NUMBERS, PEOPLE[:3]), "labels: 3 for 40 vectors"),
        ((NUMBERS, PEOPLE, ["a"]), "names: 1 for 40 vectors"),
        ((NUMBERS[0],), r"vectors: float32 of shape \[5\]"),
        ((NUMBERS, PEOPLE + 0.5), "labels: float64 of shape .*; must be names or whole numbers"),
        (([[1.0, np.nan]],), "vectors: row 0 is not finite"),
        ((NUMBERS, [None] * 40), "labels: row 0 has no value"),
        (([[1e300, 1.0]],), "vectors: row 0 is not finite in float32"),
        ((np.zeros((3, 0)),), r"vectors: float64 of shape \[3, 0\]"),
        ((np.zeros((0, 3)), [], ["a"]), "names: 1 for 0 vectors"),
    ],
)
def test_wrong_arrays(given: tuple[Any, ...], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        likewise.Embeddings.of(*given)


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"camera": 3}, "metadata: camera: 3 is no column"),
        ({"camera": None}, "metadata: camera: None is no column"),
        ({"camera": "front"}, "metadata: camera: 'front' is no column"),
        ({"camera": [1]}, "camera: 1 for 40 vectors"),
        ({"path": ["a"] * 40}, "path: give the names"),
        ({"identity": ["a"] * 40}, "identity: give the labels"),
    ],
)
def test_wrong_metadata(metadata: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        likewise.Embeddings.of(NUMBERS, PEOPLE, **metadata)


def test_whole_floats_are_labels() -> None:
    found = likewise.Embeddings.of(NUMBERS, torch.tensor(PEOPLE).float())
    assert found.items["identity"].to_pylist() == [str(person) for person in PEOPLE]
    assert len(likewise.Embeddings.of(np.zeros((0, 3)), [])) == 0


def test_what_is_no_evaluation() -> None:
    with pytest.raises(InputError, match="labels: missing"):
        likewise.evaluate(NUMBERS)
    with pytest.raises(InputError, match="e.parquet: read it first"):
        likewise.evaluate("e.parquet")
    with pytest.raises(InputError, match="pairs: str; likewise.read_pairs"):
        likewise.evaluate(NUMBERS, PEOPLE, pairs="pairs.txt")  # type: ignore[arg-type]  # the test


def test_labels_twice_are_refused() -> None:
    with pytest.raises(InputError, match="labels: the embeddings have their own"):
        likewise.evaluate(likewise.Embeddings.of(NUMBERS, PEOPLE), PEOPLE)


@pytest.mark.parametrize(
    ("same", "said"),
    [
        ([0, 0, 1, float("nan")], "same: entry 3 is .*nan.*; must be True or False, or 1 or 0"),
        ([0, 0, 2, 1], "same: entry 2 is"),
        ([-1, -1, 1, 1], "same: entry 0 is"),
        (["n", "n", "y", "y"], "same: entry 0 is"),
    ],
)
def test_ground_truth_is_true_or_false(same: list[object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        likewise.verification([0.1, 0.2, 0.9, 0.8], same)
    assert likewise.verification([0.1, 0.2, 0.9, 0.8], [0.0, 0.0, 1.0, 1.0]).auc == 1.0


def test_a_mask_goes_by_place() -> None:
    index = likewise.Index.build(NUMBERS)
    mask = pd.Series(np.arange(len(NUMBERS)) < 2)
    assert set(index.search(NUMBERS[:1], k=9, filter=mask)[1].ravel()) == {0, 1}
    with pytest.raises(InputError, match="a mask whose index is not 0, 1, 2"):
        index.search(NUMBERS[:1], k=1, filter=mask[::-1])


def test_a_distance_has_a_name() -> None:
    named = likewise.evaluate(NUMBERS, PEOPLE, distance="euclidean")
    given = likewise.evaluate(NUMBERS, PEOPLE, distance=Minkowski(2))
    assert named.measured.auc == given.measured.auc
    likewise.retrieval(NUMBERS, PEOPLE, distance="manhattan")
    with pytest.raises(InputError):
        likewise.evaluate(NUMBERS, PEOPLE, distance="euclidian")


def test_embeddings_are_written_where_they_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"are written to a \.parquet file"):
        likewise.write_embeddings(likewise.Embeddings.of(NUMBERS, PEOPLE), tmp_path / "out")


def test_calibrate_takes_labels_by_name_and_refuses_vectors_of_others(model: Path) -> None:
    alike = NUMBERS + 9 * np.eye(10, 5, dtype=np.float32)[PEOPLE]
    assert likewise.calibrate(alike, labels=PEOPLE, fmr=0.5).points
    with pytest.raises(InputError, match="5 numbers in each; those of this embedder have"):
        likewise.calibrate(likewise.load(model), NUMBERS, PEOPLE, fmr=0.5)
