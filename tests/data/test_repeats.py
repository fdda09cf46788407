"""A photo that is listed twice is one photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import likewise
from likewise.data.convert import convert
from likewise.data.formats import read_manifest
from likewise.data.formats.table import write_table
from likewise.data.manifest import Manifest
from likewise.data.repeats import without_repeats
from likewise.errors import InputError
from likewise.evaluation.experiment import evaluate
from likewise.training.distributed.processes import Processes
from likewise.training.setup.prepare import prepare
from tests.conftest import quick_recipe
from tests.data.formats.record_sets import said


def listed(folder: Path, *rows: str, columns: str = "path,identity") -> Manifest:
    (folder / "list.csv").write_text("\n".join([columns, *rows]) + "\n")
    return read_manifest(folder / "list.csv")


def test_whatever_leads_to_one_file_is_one_photo(
    photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (photos / "anna" / "link.png").symlink_to(photos / "anna" / "1.png")
    (photos / "annas").symlink_to(photos / "anna")
    names = [
        "anna/0.png", "./anna/0.png", "anna/1.png", "bob/../anna/0.png", "anna//0.png",
        str(photos / "anna" / "0.png"), "anna/link.png", "annas/1.png", "anna/2.png", "anna/0.png",
    ]  # fmt: skip
    manifest = listed(photos, *(f"{name},anna" for name in names), "bob/0.png,bob")
    kept = without_repeats(manifest)
    assert kept.names == ["anna/0.png", "anna/1.png", "anna/2.png", "bob/0.png"]
    # By the operating system's own word on which file it is.
    files = {(p.stat().st_dev, p.stat().st_ino) for p in manifest.photos()}
    assert len(kept) == len(files)
    assert "left out 7 rows that repeat an earlier photo" in caplog.text
    assert "'./anna/0.png' in row 2, the same photo as row 1" in caplog.text


def test_a_set_without_repeats_is_left_as_it_is(photos: Path) -> None:
    manifest = read_manifest(photos)
    assert without_repeats(manifest) is manifest
    missing = listed(photos, "gone/0.png,anna", "gone/1.png,anna", "bob/0.png,bob")
    assert without_repeats(missing) is missing


def test_a_record_chosen_twice_is_one_photo(photos: Path, tmp_path: Path) -> None:
    convert(photos, tmp_path / "set", "recordio")
    whole = read_manifest(tmp_path / "set")
    rows = np.array([3, 1, 3, 0, 1])
    write_table(Manifest(whole.take(rows).table.select(["path", "identity"]), tmp_path),
                tmp_path / "some.csv")  # fmt: skip
    chosen = read_manifest(tmp_path / "some.csv", tmp_path / "set")
    assert len(chosen) == 5
    assert said(without_repeats(chosen)) == said(whole.take([3, 1, 0]))


def test_a_name_that_two_records_have_chooses_neither(photos: Path, tmp_path: Path) -> None:
    convert(photos, tmp_path / "set", "recordio")
    (names,) = (tmp_path / "set").glob("*.lst")
    names.write_text(names.read_text().replace("anna/1.png", "anna/0.png"))
    chosen = tmp_path / "some.csv"
    chosen.write_text("path,identity\nbob/0.png,bob\nanna/0.png,anna\n")
    with pytest.raises(InputError, match=r"row 2: several photos are called 'anna/0.png'"):
        read_manifest(chosen, tmp_path / "set")
    chosen.write_text("path,identity\nbob/0.png,bob\nanna/2.png,anna\n")
    assert len(read_manifest(chosen, tmp_path / "set")) == 2


@pytest.mark.parametrize(
    ("columns", "rows", "problem"),
    [
        ("path,identity", ("anna/0.png,anna", "bob/0.png,bob", "./anna/0.png,bob"),
         "'./anna/0.png' in row 3 is the same photo as row 1, but its identity is 'bob' in row 3"),
        ("path,identity,split", ("anna/0.png,anna,train", "anna/0.png,anna,test"),
         "in row 2 is the same photo as row 1, but its split is 'test' in row 2"),
    ],
)  # fmt: skip
def test_a_photo_of_two_people_or_sides_is_refused(
    columns: str, rows: tuple[str, ...], problem: str, photos: Path
) -> None:
    with pytest.raises(InputError, match=problem):
        without_repeats(listed(photos, *rows, columns=columns))


def test_no_photo_is_a_genuine_pair_with_itself(photos: Path, model: Path) -> None:
    embedder = likewise.load(model)
    once, _ = embedder.embed_manifest(read_manifest(photos))
    rows = [f"{name},{name.split('/')[0]}" for name in once.names]
    twice, _ = embedder.embed_manifest(listed(photos, *rows, *(f"./{row}" for row in rows)))
    assert twice.names == once.names
    found, expected = (evaluate(embeddings).measured for embeddings in (twice, once))
    assert (found.auc, found.eer, found.genuine) == (expected.auc, expected.eer, expected.genuine)


def test_training_takes_a_photo_once(photos: Path, tmp_path: Path) -> None:
    rows = [f"{who}/{n}.png,{who}" for who in ("anna", "bob", "carl") for n in range(4)]
    manifest = listed(photos, *rows, *(f"./{row}" for row in rows))
    with Processes() as processes:
        parts = prepare(manifest, quick_recipe(), tmp_path, torch.device("cpu"), processes)
    assert parts.components.training.names == [row.split(",")[0] for row in rows]


def test_a_conversion_makes_no_two_files_of_one_photo(photos: Path, tmp_path: Path) -> None:
    rows = ("anna/0.png,anna", "./anna/0.png,anna", "bob/../anna/0.png,anna", "bob/0.png,bob")
    manifest = listed(photos, *rows)
    assert len(manifest) == 4
    out = tmp_path / "out"
    assert convert(photos / "list.csv", out, "folder").photos == 2
    assert sorted(read_manifest(out).identities) == ["anna", "bob"]
