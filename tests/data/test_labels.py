"""One name has one spelling, and no name is missing, wherever names come in."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.data.embeddings import Embeddings, read_embeddings
from likewise.data.formats import read_manifest
from likewise.data.labels import checked_labels, clean_label, identity_column, text_column
from likewise.errors import InputError
from likewise.evaluation.groups import group_errors
from likewise.evaluation.identification.closed_set import identification
from likewise.evaluation.identification.enrolment import draw_enrolment
from likewise.evaluation.intervals.scored_pairs import scored_pairs
from likewise.evaluation.retrieval.metrics import retrieval
from likewise.evaluation.separation import separation
from likewise.evaluation.verification.pair_blocks import PairBlocks
from likewise.search.index import Index

# Six spellings of Zoë Ek: plain, blanks at the ends, one that cannot break, letters apart, unseen,
# and marks of direction, as a copy from Windows' file properties begins.
ZOE = (
    "Zoë Ek", " Zoë Ek\t", "Zoë\u00a0Ek", "Zoe\u0308 Ek", "\ufeffZoë Ek\u2003",
    "\u202aZoë Ek\u200e",
)  # fmt: skip
VECTORS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@given(st.text())
def test_a_spelling_is_kept_once_it_is_reached(name: str) -> None:
    clean = clean_label(name)
    assert clean_label(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert clean == clean.strip()
    assert not set(clean) & set("\u00a0\u2007\u202f")
    if name.isascii():
        assert clean == name.strip()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), "dictionary"])
def test_a_column_gets_one_spelling_and_says_so(
    kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [*ZOE, "Bo", "Bo"]
    column = pa.chunked_array(
        [pa.array(texts).dictionary_encode()] if kind == "dictionary" else [pa.array(texts, kind)]
    )
    assert identity_column(column, "m.csv", "identity").to_pylist() == ["Zoë Ek"] * 6 + ["Bo"] * 2
    assert "m.csv: identity: 5 names are normalized" in caplog.text
    assert "'Zoë Ek', was ' Zoë Ek\\t'" in caplog.text
    plain = column.filter(pa.array([name in ("Zoë Ek", "Bo") for name in texts]))
    assert identity_column(plain, "m.csv", "identity") is plain


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (pa.array(["a", None, ""]), "row 2: identity is empty"),
        (pa.array(["a", "b", " \u00a0"]), "row 3: identity is empty"),
        (pa.array(["a", None]).dictionary_encode(), "row 2: identity is empty"),
        (pa.array([None, None]), r"row 1: identity is empty \(as in all 2 rows\)"),
        (pa.array([7, None]), "row 2: identity is empty"),
        (pa.array([1.0, 2.0]), "column identity: holds double; must hold text"),
        (pa.array([True]), "column identity: holds bool"),
        (pa.array([b"\xff"]), "column identity: holds binary"),
        (pa.array([["a"]]), "column identity: holds list"),
        (pa.array([1.5]).dictionary_encode(), "column identity: holds dictionary"),
    ],
)
def test_what_is_no_name_is_refused_by_its_row(column: pa.Array, problem: str) -> None:
    with pytest.raises(InputError, match=f"^m.csv: {problem}"):
        text_column(pa.chunked_array([column]), "m.csv", "identity")


def test_whole_numbers_are_names() -> None:
    for column in (pa.array([7, 10]), pa.array([7, 10]).dictionary_encode()):
        assert text_column(pa.chunked_array([column]), "m", "path").to_pylist() == ["7", "10"]
    used = pa.DictionaryArray.from_arrays(pa.array([1]), pa.array(["", "a"]))
    assert len(text_column(pa.chunked_array([used]), "m", "path")) == 1  # no row has the blank one


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (["a", None, "b"], "row 1 has no value"),
        (["a", "b", " "], "row 2 has no value"),
        ([1.0, float("nan")], "row 1 has no value"),
        (pd.Series([1, pd.NA], dtype="Int64"), "row 1 has no value"),
        (pd.Series(["a", np.nan]), "row 1 has no value"),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), "row 1 has no value"),
        (np.array(["a", 1], object), "names and numbers are mixed"),
        (np.array(["a", ("b",)], object), "row 1: tuple; labels must be"),
        (np.array([1j]), "complex128; labels must be"),
    ],
)
def test_labels_from_a_program_pass_the_same_gate(labels: Any, problem: str) -> None:
    with pytest.raises(InputError, match=f"^labels: {problem}"):
        checked_labels(labels, "labels")


def test_labels_that_need_no_change_are_not_copied() -> None:
    for labels in (np.arange(3), np.array(["a", "b"]), np.array([1.0, 2.0])):
        assert checked_labels(labels, "labels") is labels
    assert checked_labels(np.array([3, 1], object), "labels").dtype.kind == "i"
    assert len(set(checked_labels(ZOE, "labels").tolist())) == 1


MISSING: list[Any] = ["a", "a", "b", "b", None, "b"]


@pytest.mark.parametrize(
    "use",
    [
        lambda labels: retrieval(VECTORS, labels),
        lambda labels: identification(VECTORS, labels, VECTORS, labels),
        lambda labels: draw_enrolment(labels),
        lambda labels: separation(VECTORS, labels),
        lambda labels: PairBlocks(VECTORS, labels, None),
        lambda labels: scored_pairs(np.arange(6), [True, False] * 3, labels, labels),
        lambda labels: Index.build(VECTORS, items=pa.table({"identity": labels})),
        lambda labels: Embeddings(VECTORS, pa.table({"path": list("uvwxyz"), "identity": labels})),
    ],
)
def test_a_missing_name_is_refused_by_row_and_two_spellings_are_one(use: Any) -> None:
    with pytest.raises(InputError, match="row [45]"):
        use(MISSING)
    use(["Zoë Ek", " Zoë Ek", "Bo", "Bo\u00a0", "Bo", "Bo"])


def test_spellings_change_no_measurement() -> None:
    once = retrieval(VECTORS, ["Zoë", "Zoë", "Bo", "Bo", "Al", "Al"])
    spelled = retrieval(VECTORS, ["Zoë", "Zoe\u0308", "Bo", " Bo", "Al", "Al\u2003"])
    assert spelled == once


def test_no_group_is_called_none() -> None:
    people = np.repeat(np.arange(8), 2)
    others = (people + np.tile([0, 1], 8)) % 8
    pairs = scored_pairs(np.linspace(0, 1, 16), people == others, people, others)
    groups = ["f", "f ", "m", None] * 4
    with pytest.raises(InputError, match="sex: row 3 has no value"):
        group_errors(pairs, groups, groups, 0.5, column="sex", replicates=20)
    groups = ["f", "f ", "m", "m"] * 4
    found = group_errors(pairs, groups, groups, 0.5, column="sex", replicates=20)
    assert [group.group for group in found.groups] == ["f", "m"]


def test_folders_whose_names_look_alike_are_one_person(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, name in enumerate(("Zo\u00eb", "Zoe\u0308", "Bo")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{number}.jpg").touch()
    manifest = read_manifest(tmp_path)
    assert manifest.identities == ["Bo", "Zoë"]
    assert "1 name is normalized" in caplog.text
    # The file system knows its files by the names that they have.
    assert all(Path(str(photo)).exists() for photo in manifest.photos())


def test_names_beside_a_file_of_vectors(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", VECTORS[:3])

    def read(content: bytes) -> Embeddings:
        (tmp_path / "names.txt").write_bytes(content)
        return read_embeddings(tmp_path / "e.npy", tmp_path / "names.txt")

    for content in (
        b"\xef\xbb\xbfanna/1\r\nanna/2\r\nbob/1\r\n",
        "anna/1\nanna/2\nbob/1\n".encode("utf-16"),
        "anna/1\r anna/2\rbob/1".encode("utf-32"),
    ):
        found = read(content)
        assert found.labels.tolist() == [0, 0, 1]
        assert found.names[0] == "anna/1"
    names = ["a/1\u2028x", "a/2\x0cx", "b/3\x85"]
    assert read("\n".join(names).encode()).names == names
    with pytest.raises(InputError, match=r"names.txt: row 2: path is empty"):
        read(b"anna/1\n\nbob/1\n")
    with pytest.raises(InputError, match=r"names.txt: row 3: identity is empty"):
        read(b"anna/1\nanna/2\n/1\n")
    with pytest.raises(InputError, match=r"names.txt: rows 1 and 3 have the same name 'anna/1'"):
        read(b"anna/1\nanna/2\nanna/1\n")
    with pytest.raises(InputError, match=r"names.txt: rows 1 and 3 have the same name 'anna/1'"):
        read(b"anna/1\nanna/2\n./anna//1\n")
    assert read(b"anna/1\n./anna/2\nbob/1\n").labels.tolist() == [0, 0, 1]
    with pytest.raises(InputError, match="no column identity.* every name must be PERSON/photo"):
        print(read(b"anna/1\nanna/2\nloose\n").labels)
    with pytest.raises(InputError, match=r"names.txt: not a text file in UTF-8 or UTF-16"):
        read("zoë/1\nb\nc\n".encode("latin-1"))
