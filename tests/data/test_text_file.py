"""Text is read alike whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from likewise.data.formats import read_manifest
from likewise.data.protocols import read_pairs
from likewise.data.text_file import read_lines
from likewise.errors import InputError
from likewise.storage import read_json
from likewise.training.recipe.recipe import load_recipe

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
MARK = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


def written(path: Path, text: str, encoding: str) -> Path:
    path.write_bytes(MARK.get(encoding, b"") + text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_encoding_and_line_end(encoding: str, end: str, tmp_path: Path) -> None:
    rows = ["path,identity,age", "a.jpg,Zoë\u2028Ek,3", "b.jpg,Bo\x0c Li,4"]
    path = written(tmp_path / "m.csv", end.join(rows) + end, encoding)
    assert read_lines(path) == rows
    manifest = read_manifest(path)
    assert manifest.names == ["a.jpg", "b.jpg"]
    assert manifest.identities == ["Bo\x0c Li", "Zoë\u2028Ek"]
    assert manifest.table["age"].to_pylist() == [3, 4]
    pairs = ["left,right,same", "a,b,1"]
    assert read_pairs(written(tmp_path / "p.csv", end.join(pairs), encoding)).left == ["a"]
    recipe = written(tmp_path / "r.yaml", f"batch:{end}  size: 7{end}", encoding)
    assert load_recipe(recipe).batch.size == 7


def test_what_excel_writes_where_commas_are_decimal(tmp_path: Path) -> None:
    path = written(tmp_path / "m.csv", "path;identity\r\na,1.jpg;007\r\n", "utf-8-sig")
    assert read_manifest(path).names == ["a,1.jpg"]
    unicode_text = written(tmp_path / "u.csv", "path\tidentity\r\na.jpg\t007\r\n", "utf-16")
    assert read_manifest(unicode_text).identities == ["007"]


def test_a_header_with_blanks_is_the_same_header(tmp_path: Path) -> None:
    for before in ("", "\n", "\r\n\r\n"):
        path = written(tmp_path / "m.csv", f"{before}path, identity\na.jpg,007\n", "utf-8")
        assert read_manifest(path).identities == ["007"]


def test_a_table_of_seven_columns_with_a_mark_is_no_ms_celeb(tmp_path: Path) -> None:
    header = "path\tidentity\ta\tb\tc\td\te\n"
    for encoding in ENCODINGS:
        path = written(tmp_path / "m.tsv", header + "a.jpg\tanna\t1\t2\t3\t4\t5\n", encoding)
        assert read_manifest(path).identities == ["anna"]


def test_json_with_a_mark_is_json(tmp_path: Path) -> None:
    assert read_json(written(tmp_path / "x.json", '{"a": 1}', "utf-8-sig")) == {"a": 1}


def test_what_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe1")
    with pytest.raises(InputError, match=r"t.txt: not a text file in UTF-8 or UTF-16; save it as"):
        read_lines(tmp_path / "t.txt")
    for text in ("path,identity\na.jpg,Zoë\n", "path,identity,größe\na.jpg,Zoe,1\n"):
        path = written(tmp_path / "m.csv", text, "latin-1")
        with pytest.raises(InputError, match=r"m.csv: not a text file in UTF-8 or UTF-16; save it"):
            read_manifest(path)


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "sep=\t"])
def test_the_line_in_which_excel_names_the_separator_is_no_header(
    first: str, tmp_path: Path
) -> None:
    mark = first.strip('"')[-1]
    lines = [first, f"path{mark}identity", f"a.jpg{mark}007", f"b.jpg{mark}anna"]
    (tmp_path / "people.csv").write_text("\r\n".join(lines) + "\r\n")
    manifest = read_manifest(tmp_path / "people.csv")
    assert manifest.table["identity"].to_pylist() == ["007", "anna"]
