"""Names of crops: the tree is kept, and no two photos share a file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from likewise.data.manifest import Manifest
from likewise.faces.aligned_set.crop_names import crop_names, numbered


def names(rows: list[tuple[str, ...]], suffix: str = ".jpg") -> list[str]:
    columns = ("path", "identity", "split")[: len(rows[0])]
    table = pa.table(dict(zip(columns, zip(*rows, strict=True), strict=True)))
    return crop_names(Manifest(table, Path("photos")), suffix)


def test_the_tree_is_kept() -> None:
    rows = [("anna/1.png", "anna"), ("anna/trip/2.JPG", "anna"), ("Zoë/ä b.webp", "Zoë")]
    assert names(rows) == ["anna/1.jpg", "anna/trip/2.jpg", "Zoë/ä b.jpg"]
    assert names(rows, ".png")[1] == "anna/trip/2.png"


def test_splits_come_first_and_stay() -> None:
    rows = [("train/anna/1.jpg", "anna", "train"), ("test/bob/1.jpg", "bob", "test")]
    assert names(rows) == ["train/anna/1.jpg", "test/bob/1.jpg"]


def test_names_of_containers_and_tables_get_the_folder_of_their_identity() -> None:
    rows = [("000000001", "7"), ("/data/x/img.2.png", "anna"), ("../up/3.jpg", "a/b")]
    found = names(rows)
    assert found[:2] == ["7/000000001.jpg", "anna/data/x/img.2.jpg"]
    assert found[2].startswith("a_b~")
    assert ".." not in found[2]


def test_photos_that_differ_in_their_suffix_alone_do_not_collide() -> None:
    rows = [("a/1.png", "a"), ("a/1.jpg", "a"), ("a/1.JPG", "a"), ("a/2.png", "a")]
    found = names(rows)
    assert found[0] == "a/1.png.jpg"
    assert found[3] == "a/2.jpg"
    assert len({name.casefold() for name in found}) == 4


@given(
    st.lists(
        st.tuples(st.text("ab/.~ é", min_size=1, max_size=8), st.sampled_from(["a", "b"])),
        min_size=1,
        unique_by=lambda row: row[0],
    )
)
def test_no_two_photos_share_a_file(rows: list[tuple[str, str]]) -> None:
    found = names(rows)
    assert len({name.casefold() for name in found}) == len(rows)
    assert all(".." not in name.split("/") and not name.startswith("/") for name in found)


def test_further_faces_are_numbered() -> None:
    assert [numbered("a/1.jpg", face) for face in range(3)] == ["a/1.jpg", "a/1~2.jpg", "a/1~3.jpg"]
