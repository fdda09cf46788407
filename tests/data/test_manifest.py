"""Folders and tables read as manifests."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from likewise.data.formats import read_manifest
from likewise.data.formats.table import write_table
from likewise.data.manifest import Manifest
from likewise.errors import InputError


def test_a_folder_is_read_in_the_order_of_its_names(photos: Path) -> None:
    (photos / "anna" / ".hidden.png").touch()
    (photos / "anna" / "notes.txt").touch()
    (photos / "bob" / "deep").mkdir()
    (photos / "bob" / "0.png").rename(photos / "bob" / "deep" / "0.PNG")
    manifest = read_manifest(photos)
    assert manifest.identities == ["anna", "bob", "carl"]
    assert len(manifest) == 12
    assert "bob/deep/0.PNG" in manifest.names
    assert manifest.names[0] == "anna/0.png"
    assert manifest.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert manifest.photo(0) == photos / "anna" / "0.png"


def test_names_of_any_script_and_length(tmp_path: Path) -> None:
    for name in ("Zoë Ångström", "李小龙", "محمد", "x" * 240, "with,comma", "007"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").touch()
    manifest = read_manifest(tmp_path)
    assert len(manifest.identities) == 6
    write_table(manifest, tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv").identities == manifest.identities


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_says_the_same_as_the_folder(photos: Path, ending: str) -> None:
    folder = read_manifest(photos)
    write_table(folder, photos / f"list{ending}")
    table = read_manifest(photos / f"list{ending}")
    assert table.names == folder.names
    assert table.labels.tolist() == folder.labels.tolist()
    assert table.fingerprint == folder.fingerprint


def test_a_table_keeps_names_that_look_like_numbers_and_metadata(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(
        "path,identity,split,age\na.jpg,007,train,31\nb.jpg,1e5,val,4\n"
    )
    manifest = read_manifest(tmp_path / "m.csv")
    assert manifest.identities == ["007", "1e5"]
    assert manifest.table["age"].to_pylist() == [31, 4]
    assert manifest.split("val").names == ["b.jpg"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("file,person\na,b\n", "no column path and no column identity; it has: file, person"),
        ("path,identity\n", "no rows"),
        ("path,identity\na.jpg,anna\nb.jpg,\n", "row 2: identity is empty"),
        ("path,identity\na.jpg,anna\n../../etc/x.jpg,b\n", "row 2: the path points outside"),
        ("path,identity\n/etc/passwd,b\n", "row 1: the path points outside"),
        (
            "path,identity,split\na.jpg,anna,training\n",
            "row 1: split must be train, val, test, query or",
        ),
        ("path,identity\na.jpg,anna,more\n", "cannot be read as a table"),
        ("", "cannot be read as a table"),
    ],
)
def test_a_bad_table_is_one_clear_line(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(InputError, match=problem) as caught:
        read_manifest(tmp_path / "m.csv")
    assert "m.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_of_any_type_are_text_or_refused_by_row(tmp_path: Path) -> None:
    def read(**columns: pa.Array) -> list[str]:
        pq.write_table(pa.table({"identity": ["a", "b"], **columns}), tmp_path / "m.parquet")
        return read_manifest(tmp_path / "m.parquet").names

    assert read(path=pa.array([1, 2])) == ["1", "2"]
    assert read(path=pa.array(["a", "b"]).dictionary_encode()) == ["a", "b"]
    for values, problem in (
        ([None, None], "row 1: path is empty"),
        ([1, None], "row 2: path is empty"),
        ([0.5, 1.5], "column path: holds double"),
        ([b"a", b"b"], "column path: holds binary"),
        ([["a"], ["b"]], "column path: holds list"),
    ):
        with pytest.raises(InputError, match=f"m.parquet: {problem}"):
            read(path=pa.array(values))


def test_a_list_column_is_no_csv(tmp_path: Path) -> None:
    table = pa.table({"path": ["a"], "identity": ["b"], "box": [[1, 2]]})
    with pytest.raises(InputError, match=r"m.csv: a CSV cannot hold a column .* write .parquet"):
        write_table(Manifest(table, tmp_path), tmp_path / "m.csv")
    write_table(Manifest(table, tmp_path), tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet").table["box"].to_pylist() == [[1, 2]]


def test_a_damaged_parquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a"], "identity": ["b"]}), tmp_path / "m.parquet")
    content = (tmp_path / "m.parquet").read_bytes()
    (tmp_path / "m.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_manifest(tmp_path / "m.parquet")


def test_missing_empty_and_loose(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder or file"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no photos"):
        read_manifest(tmp_path)
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InputError, match="lie directly"):
        read_manifest(tmp_path)
    (tmp_path / "list.xlsx").touch()
    with pytest.raises(InputError, match="unknown format"):
        read_manifest(tmp_path / "list.xlsx")
