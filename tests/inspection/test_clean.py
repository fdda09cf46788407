"""What is dropped and merged follows fixed rules, and no photo is touched."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.inspection import inspect_photos
from likewise.inspection.clean import CleanRules, clean_manifest, write_clean
from likewise.inspection.record import FORMAT, read_inspection, record
from likewise.storage import write_json
from tests.conftest import PEOPLE, make_photos

NAMES = ("a/1", "a/2", "a/3", "b/1", "b/2", "b/3", "c/1", "c/2", "d/1")
PHOTOS = tuple(f"{person}/{take}.png" for person in PEOPLE for take in range(4))


def manifest(**columns: list[str]) -> Manifest:
    table = pa.table({"path": list(NAMES), "identity": [n[0] for n in NAMES], **columns})
    return Manifest(table, Path("photos"))


def row(name: str) -> int:
    return (NAMES if name in NAMES else PHOTOS).index(name)


def duplicate(left: str, right: str, supported: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "left_row": row(left), "right_row": row(right), "score": 0.97, "kind": "near",
        "between_sets": False, "across_identities": left[0] != right[0],
        "supported_row": None if supported is None else row(supported), **more,
    }  # fmt: skip


def doubt(path: str, probability: float, other: str | None = None) -> dict[str, Any]:
    return {
        "row": row(path), "identity": path[0], "probability": probability, "resembles": "d",
        "looks_like_another": True, "undecided_with_row": None if other is None else row(other),
    }  # fmt: skip


def same(left: str, right: str, share_false: float) -> dict[str, Any]:
    return {"left": left, "right": right, "share_false": share_false}


def inspection(
    duplicates: list[dict[str, Any]] | None = None,
    broken: tuple[str, ...] = (),
    mislabels: list[dict[str, Any]] | None = None,
    same_person: list[dict[str, Any]] | None = None,
    pixels: dict[str, int] | None = None,
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "broken": [{"row": row(name), "reason": "cut"} for name in broken],
        "duplicates": {"found": duplicates or []},
        "pixels": {str(row(name)): count for name, count in (pixels or {}).items()},
        "labels": {"mislabels": mislabels or [], "same_person": same_person or []},
    }


def kept(found: dict[str, Any], *, rules: CleanRules | None = None, **columns: list[str]) -> str:
    return " ".join(clean_manifest(manifest(**columns), found, rules).manifest.names)


def without(*gone: str) -> str:
    return " ".join(name for name in NAMES if name not in gone)


def test_of_duplicates_within_an_identity_the_largest_stays() -> None:
    chain = [duplicate("a/1", "a/2"), duplicate("a/2", "a/3")]
    assert kept(inspection(chain)) == without("a/2", "a/3")
    assert kept(inspection(chain, pixels={"a/1": 4, "a/2": 9, "a/3": 9})) == without("a/1", "a/3")
    assert kept(inspection(chain, broken=("a/1",))) == without("a/1", "a/3")


def test_a_duplicate_of_a_test_photo_leaves_training() -> None:
    split = ["train"] * 9
    split[1] = "test"
    found = inspection([duplicate("a/1", "a/2")], pixels={"a/1": 900, "a/2": 4})
    assert kept(found, split=split) == without("a/1")


def test_of_duplicates_across_identities_the_supported_one_stays_or_none() -> None:
    assert kept(inspection([duplicate("a/1", "b/1", "b/1")])) == without("a/1")
    assert kept(inspection([duplicate("a/1", "b/1")])) == without("a/1", "b/1")
    torn = [duplicate("a/1", "b/1", "b/1"), duplicate("a/1", "c/1", "a/1")]
    assert kept(inspection(torn)) == without("a/1", "b/1", "c/1")
    elsewhere = duplicate("a/1", "b/1", between_sets=True)
    assert kept(inspection([elsewhere])) == without()


def test_merged_names_make_duplicates_of_one_identity() -> None:
    found = inspection([duplicate("a/1", "b/1")], same_person=[same("a", "b", 0.001)])
    cleaned = clean_manifest(manifest(), found, CleanRules(("duplicates",), merge=True))
    assert cleaned.manifest.names == without("b/1").split()
    assert cleaned.manifest.identities == ["a", "c", "d"]
    assert {(c.path, c.action) for c in cleaned.changes} == {
        ("b/1", "drop"), ("b/2", "merge"), ("b/3", "merge"),
    }  # fmt: skip


def test_names_are_merged_into_that_with_most_photos() -> None:
    found = inspection(same_person=[same("c", "b", 0.001), same("c", "d", 0.02)])
    cleaned = clean_manifest(manifest(), found, CleanRules(merge=True))
    assert cleaned.manifest.identities == ["a", "b", "d"]
    looser = CleanRules(merge=True, merge_share_false=0.05)
    assert clean_manifest(manifest(), found, looser).manifest.identities == ["a", "b"]


def test_names_that_a_mislabeled_photo_makes_alike_are_not_merged() -> None:
    found = inspection(mislabels=[doubt("a/1", 0.95)], same_person=[same("a", "d", 0.001)])
    rules = CleanRules(("mislabeled",), merge=True)
    cleaned = clean_manifest(manifest(), found, rules)
    assert cleaned.manifest.names == without("a/1").split()
    assert cleaned.manifest.identities == ["a", "b", "c", "d"]


def test_wrong_labels_go_from_the_probability_asked_for() -> None:
    found = inspection(mislabels=[doubt("a/1", 0.95), doubt("b/1", 0.6), doubt("c/1", 0.99, "c/2")])
    rules = CleanRules(("mislabeled",))
    assert kept(found) == without()
    assert kept(found, rules=rules) == without("a/1", "c/1", "c/2")
    rules = CleanRules(("mislabeled",), mislabel_probability=0.5)
    assert kept(found, rules=rules) == without("a/1", "b/1", "c/1", "c/2")


def listed_twice(folder: Path, rows: str) -> Manifest:
    make_photos(folder, ("anna", "bob"), each=3)
    (folder / "list.csv").write_text("path,identity\n" + rows)
    return read_manifest(folder / "list.csv")


def dropped_of(manifest: Manifest) -> tuple[list[str], list[tuple[str, str, str]]]:
    cleaned = clean_manifest(manifest, record(inspect_photos(manifest)))
    assert len(cleaned.manifest) + len(cleaned.changes) == len(manifest)
    changes = [(c.path, c.reason, c.other) for c in cleaned.changes]
    return cleaned.manifest.names, changes


def test_a_row_that_is_listed_twice_stays_once(tmp_path: Path) -> None:
    manifest = listed_twice(
        tmp_path, "anna/0.png,anna\nbob/0.png,bob\nanna/0.png,anna\n./bob/0.png,bob\n"
    )
    assert dropped_of(manifest) == (
        ["anna/0.png", "./bob/0.png"],
        [("bob/0.png", "duplicate within an identity", "./bob/0.png"),
         ("anna/0.png", "duplicate within an identity", "anna/0.png")],
    )  # fmt: skip


def test_one_photo_under_two_people_goes_from_both(tmp_path: Path) -> None:
    manifest = listed_twice(tmp_path, "anna/0.png,anna\nbob/0.png,bob\nanna/0.png,bob\n")
    assert dropped_of(manifest) == (
        ["bob/0.png"],
        [("anna/0.png", "duplicate across identities", "anna/0.png")] * 2,
    )


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    found = inspection([duplicate("anna/0.png", "anna/1.png")], broken=("bob/2.png",))
    before = sorted((p, p.read_bytes()) for p in photos.rglob("*.png"))
    cleaned = clean_manifest(read_manifest(photos), found)
    changes = write_clean(cleaned, tmp_path / "clean.csv")
    assert sorted((p, p.read_bytes()) for p in photos.rglob("*.png")) == before
    again = read_manifest(tmp_path / "clean.csv", root=photos)
    assert again.names == cleaned.manifest.names
    with changes.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["path"], row["reason"], row["other"]) for row in rows] == [
        ("anna/1.png", "duplicate within an identity", "anna/0.png"),
        ("bob/2.png", "broken", ""),
    ]
    write_clean(cleaned, tmp_path / "clean.parquet")
    assert len(read_manifest(tmp_path / "clean.parquet", root=photos)) == 10


def test_wrong_use_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'duplicates'"):
        CleanRules(("duplicate",))
    with pytest.raises(InputError, match="inspect again with --model"):
        clean_manifest(manifest(), {**inspection(), "labels": None}, CleanRules(merge=True))
    with pytest.raises(InputError, match="no photo would be kept"):
        clean_manifest(manifest(), inspection(broken=NAMES))
    with pytest.raises(InputError, match="no such file"):
        read_inspection(tmp_path, manifest())
    write_json(tmp_path / "inspect.json", {"format": "else"})
    with pytest.raises(InputError, match="not an inspection"):
        read_inspection(tmp_path, manifest())
    write_json(tmp_path / "inspect.json", {**inspection(), "fingerprint": "of others"})
    with pytest.raises(InputError, match="of another set"):
        read_inspection(tmp_path / "inspect.json", manifest())


def test_the_spelling_of_earlier_versions_is_accepted() -> None:
    assert CleanRules(("broken", "mislabelled")) == CleanRules(("broken", "mislabeled"))
