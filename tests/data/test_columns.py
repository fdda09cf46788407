"""Columns by name: each once, and metadata beside our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import likewise
from likewise.data.columns import metadata_names, rename_reserved_columns
from likewise.data.embeddings import Embeddings, read_embeddings, write_embeddings
from likewise.data.formats import read_manifest
from likewise.data.formats.table import write_table
from likewise.errors import InputError
from likewise.search.index import Index
from tests.data.formats.record_sets import said

VECTORS = np.eye(2, dtype=np.float32)


def test_a_free_name_is_found_beside_any() -> None:
    assert metadata_names(["id", "age"], []) == {"id": "id", "age": "age"}
    assert metadata_names(["score", "item_score"], ["score"]) == {
        "score": "item_item_score", "item_score": "item_score",
    }  # fmt: skip


def test_embed_writes_what_can_be_read_again(photos: Path, model: Path, tmp_path: Path) -> None:
    (photos / "m.csv").write_text(
        "path,identity,vector,place,id,norm\nanna/0.png,anna,x,Oslo,7,0.5\nbob/0.png,bob,y,Rom,8,1\n"
    )
    found, _ = likewise.load(model).embed_manifest(read_manifest(photos / "m.csv"))
    write_embeddings(found, tmp_path / "e.parquet")
    back = read_embeddings(tmp_path / "e.parquet")
    assert back.items.column_names == [
        "path",
        "identity",
        "item_vector",
        "item_place",
        "id",
        "item_norm",
        "norm",
    ]
    assert back.items["item_norm"].to_pylist() == [0.5, 1]
    assert back.items["item_place"].to_pylist() == ["Oslo", "Rom"]
    own = Embeddings(VECTORS, pa.table({"path": ["a", "b"], "vector": ["x", "y"]}))
    write_embeddings(own, tmp_path / "own.parquet")
    assert read_embeddings(tmp_path / "own.parquet").items.column_names == ["path", "item_vector"]


def test_a_place_of_ones_own_is_not_lost_beside_a_stores(photos: Path, tmp_path: Path) -> None:
    content = (photos / "anna" / "0.png").read_bytes()
    table = pa.table(
        {"image": [content, content], "identity": ["a", "b"], "place": ["Oslo", "Rom"]}
    )
    pq.write_table(table, tmp_path / "in.parquet")
    manifest = read_manifest(tmp_path / "in.parquet")
    assert manifest.table["item_place"].to_pylist() == ["Oslo", "Rom"]
    assert [data for *_, data in said(manifest)] == [content, content]
    write_table(manifest.take([1]), tmp_path / "chosen.parquet")
    chosen = read_manifest(tmp_path / "chosen.parquet", tmp_path / "in.parquet")
    assert [data for *_, data in said(chosen)] == [content]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_two_columns_of_one_name_are_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"m.{ending}"
    names = ["path", "identity", "age", "age"]
    if ending == "csv":
        path.write_text(",".join(names) + "\na.jpg,anna,1,2\n")
    else:
        pq.write_table(pa.table([["a.jpg"], ["anna"], [1], [2]], names=names), path)
    with pytest.raises(
        InputError, match=rf"m.{ending}: 2 columns are called 'age'; rename or remove"
    ):
        read_manifest(path)


def test_two_columns_of_one_name_in_embeddings_and_items() -> None:
    table = pa.table([["a", "b"], [1, 2], [3, 4]], names=["path", "age", "age"])
    with pytest.raises(InputError, match="2 columns are called 'age'"):
        Embeddings(VECTORS, table)
    with pytest.raises(InputError, match="items: 2 columns are called 'age'"):
        Index.build(VECTORS, items=table)
    with pytest.raises(InputError, match="table: 2 columns are called 'age'"):
        Index.from_table(table, vector="path", id=None)


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_views_of_text_as_polars_writes_them(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"m.{ending}"
    columns = {"path": ["a.jpg", "b.jpg"], "identity": ["anna", "bob "], "town": ["Ulm", None]}
    table = pa.table({name: pa.array(of, pa.string_view()) for name, of in columns.items()})
    try:
        table["path"].cast(pa.large_string())
    except pa.ArrowNotImplementedError:
        with pytest.raises(InputError, match="column path: .* a newer pyarrow can"):
            rename_reserved_columns(table, path)
        return
    if ending == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    manifest = read_manifest(path).take([1, 0])
    assert manifest.identities == ["anna", "bob"]
    assert manifest.table["town"].to_pylist() == [None, "Ulm"]
