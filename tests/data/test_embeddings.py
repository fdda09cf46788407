"""Embeddings go to disk and come back, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from likewise.data.embeddings import (
    EXTERNAL,
    Embeddings,
    read_embeddings,
    require_same_embedder,
    write_embeddings,
)
from likewise.errors import InputError


def sample(count: int = 7, dimension: int = 5) -> Embeddings:
    vectors = np.random.default_rng(0).normal(size=(count, dimension)).astype(np.float32)
    items = pa.table({
        "path": [f"p{n % 3}/{n}.jpg" for n in range(count)],
        "identity": [f"p{n % 3}" for n in range(count)],
        "age": list(range(count)),
    })  # fmt: skip
    return Embeddings(vectors, items, "0123456789abcdef")


def test_parquet_round_trip(tmp_path: Path) -> None:
    write_embeddings(sample(), tmp_path / "e.parquet")
    back = read_embeddings(tmp_path / "e.parquet")
    np.testing.assert_array_equal(back.vectors, sample().vectors)
    assert back.items.equals(sample().items)
    assert back.fingerprint == "0123456789abcdef"
    assert back.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_npy_with_names(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", np.eye(3))
    (tmp_path / "names.txt").write_text("anna/1.jpg\nanna/2.jpg\nbob/1.jpg\n")
    found = read_embeddings(tmp_path / "e.npy", tmp_path / "names.txt")
    assert found.fingerprint == EXTERNAL
    assert found.labels.tolist() == [0, 0, 1]
    with pytest.raises(InputError, match="needs its names: --ids"):
        read_embeddings(tmp_path / "e.npy")


def test_wrong_files(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\n")
    np.save(tmp_path / "short.npy", np.eye(3))
    with pytest.raises(InputError, match="has 3 rows, .* has 2 names"):
        read_embeddings(tmp_path / "short.npy", tmp_path / "names.txt")
    np.save(tmp_path / "objects.npy", np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        read_embeddings(tmp_path / "objects.npy", tmp_path / "names.txt")
    bad = np.eye(2)
    bad[1, 0] = np.nan
    np.save(tmp_path / "nan.npy", bad)
    with pytest.raises(InputError, match="1 rows are not finite; the first is row 2"):
        read_embeddings(tmp_path / "nan.npy", tmp_path / "names.txt")
    pq.write_table(pa.table({"path": ["a"]}), tmp_path / "plain.parquet")
    with pytest.raises(InputError, match="no column vector"):
        read_embeddings(tmp_path / "plain.parquet")
    write_embeddings(sample(), tmp_path / "cut.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "cut.parquet").read_bytes()[:-30])
    with pytest.raises(InputError, match="cannot be read"):
        read_embeddings(tmp_path / "cut.parquet")
    with pytest.raises(InputError, match="no such file"):
        read_embeddings(tmp_path / "none.parquet")


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float64()),
        pa.large_list(pa.float32()),
        pa.list_(pa.float16(), 5),
        pa.list_(pa.float64(), 5),
    ],
)
def test_vectors_are_read_from_any_list_of_numbers(kind: pa.DataType, tmp_path: Path) -> None:
    rows = sample().vectors.astype(np.float16)
    vectors = pa.array(list(rows)).cast(pa.list_(pa.float16())).cast(kind)
    pq.write_table(sample().items.append_column("vector", vectors), tmp_path / "e.parquet")
    np.testing.assert_array_equal(read_embeddings(tmp_path / "e.parquet").vectors, rows)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"path": ["a", None]}, "row 2: path is empty"),
        ({"path": ["a", "b"], "identity": ["anna", None]}, "row 2: identity is empty"),
        ({"path": ["a", "a"]}, "rows 1 and 2 have the same name 'a'"),
        ({"path": [1.5, 2.5]}, "column path: holds double"),
        ({"name": ["a", "b"]}, "no column path; it has: name"),
        (
            {"path": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]},
            "row 2 has 2 numbers, the first has 1",
        ),
        ({"path": ["a", "b"], "vector": [[1.0], None]}, "row 2 has no vector"),
        ({"path": ["a", "b"], "vector": ["x", "y"]}, "no column vector of lists of numbers"),
    ],
)
def test_a_file_of_ones_own_is_refused_by_its_row(
    columns: dict[str, list[object]], problem: str, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"vector": [[1.0], [2.0]], **columns}), tmp_path / "e.parquet")
    with pytest.raises(InputError, match=f"e.parquet: (column vector: )?{problem}"):
        read_embeddings(tmp_path / "e.parquet")


def test_two_embedders_are_never_compared() -> None:
    require_same_embedder("a", "a", "index")
    with pytest.raises(InputError, match="index: made by another embedder"):
        require_same_embedder("a", "b", "index")


def test_an_error_without_a_text_is_named_by_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path) -> None:
        raise OSError

    monkeypatch.setattr("likewise.data.embeddings.pq.read_schema", fail)
    path = tmp_path / "e.parquet"
    path.touch()
    with pytest.raises(InputError, match=r"cannot be read \(OSError\)"):
        read_embeddings(path)
