"""Which folders name the people: by what lies in them, in folders, zips and tars alike."""

from __future__ import annotations

import io
import logging
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from likewise.data.formats import read_manifest
from likewise.errors import InputError

Paths = list[str]


def folder_of(paths: Paths, tmp_path: Path) -> Path:
    for path in paths:
        file = tmp_path / "set" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"a photo")
    return tmp_path / "set"


def zip_of(paths: Paths, tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in paths:
            archive.writestr(path, b"a photo")
    return tmp_path / "set.zip"


def tar_of(paths: Paths, tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for path in paths:
            member = tarfile.TarInfo(path)
            member.size = 7
            archive.addfile(member, io.BytesIO(b"a photo"))
    return tmp_path / "set.tar"


Made = Callable[[Paths, Path], Path]
every_container = pytest.mark.parametrize("made", [folder_of, zip_of, tar_of])

PLAIN = ["anna/1.jpg", "anna/2.jpg", "bob/1.jpg"]
GROUPED = ["men/bob/1.jpg", "men/carl/1.jpg", "women/anna/1.jpg", "women/dora/1.jpg"]


@every_container
def test_the_first_folder_names_the_person_and_may_hold_albums(made: Made, tmp_path: Path) -> None:
    paths = ["anna/1.jpg", "anna/2004/2.jpg", "anna/2005/3.jpg", "bob/2004/1.jpg"]
    manifest = read_manifest(made(paths, tmp_path))
    assert sorted(manifest.names) == sorted(paths)
    assert sorted(manifest.table["identity"].to_pylist()) == ["anna", "anna", "anna", "bob"]


@every_container
def test_that_one_folder_inside_of_each_names_nobody_is_said(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = read_manifest(made(["men/bob/1.jpg", "women/anna/1.jpg"], tmp_path))
    assert manifest.identities == ["men", "women"]
    assert "folders inside identities, such as men/bob, are ignored" in caplog.text


@every_container
@pytest.mark.parametrize("wrapping", ["faces", "faces/aligned"])
def test_folders_that_wrap_everything_name_nobody(
    wrapping: str, made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = read_manifest(made([f"{wrapping}/{path}" for path in PLAIN], tmp_path))
    assert manifest.names == PLAIN
    assert manifest.identities == ["anna", "bob"]
    assert f"the identities are folders such as {wrapping}/anna" in caplog.text
    if made is folder_of:
        assert [photo.is_file() for photo in manifest.photos()] == [True] * 3


@every_container
def test_train_and_val_folders_are_the_column_split(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = ["train/anna/1.jpg", "train/bob/1.jpg", "validation/anna/2.jpg", "validation/eve/1.jpg"]
    manifest = read_manifest(made(paths, tmp_path))
    assert manifest.identities == ["anna", "bob", "eve"]
    assert manifest.split("train").names == paths[:2]
    assert manifest.split("val").names == paths[2:]
    assert "train, validation become the column split" in caplog.text


@every_container
def test_one_folder_called_train_is_no_split(made: Made, tmp_path: Path) -> None:
    """Nothing would be left to validate on; it wraps all photos, like any other."""
    manifest = read_manifest(made([f"train/{path}" for path in PLAIN], tmp_path))
    assert manifest.names == PLAIN
    assert manifest.table.column_names[:2] == ["path", "identity"]
    assert "split" not in manifest.table.column_names


@every_container
def test_groups_of_people_are_part_of_the_identity(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = read_manifest(made(GROUPED, tmp_path))
    assert manifest.names == GROUPED
    assert manifest.identities == ["men/bob", "men/carl", "women/anna", "women/dora"]
    assert "the identities are folders such as men/bob" in caplog.text


@every_container
def test_groups_within_splits(made: Made, tmp_path: Path) -> None:
    manifest = read_manifest(
        made([f"{side}/{path}" for side in ("test", "train") for path in GROUPED], tmp_path)
    )
    assert manifest.identities == ["men/bob", "men/carl", "women/anna", "women/dora"]
    assert manifest.split("test").identities == manifest.identities


@every_container
@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        (["train/1.jpg", "val/1.jpg"], "the photos lie directly in train, val"),
        (["anna/1.jpg", "men/bob/1.jpg", "men/carl/1.jpg"],
         r"anna holds photos, but men holds folders of photos \(bob, carl\)"),
        (["anna/2004/1.jpg", "anna/2005/1.jpg", "bob/2004/1.jpg", "bob/2006/1.jpg"],
         "2 folders hold 4 folders of photos: it is ambiguous"),
        (["a/a1/1.jpg", "a/a2/1.jpg", "b/b1/1.jpg", "c/c1/1.jpg"],
         "3 folders hold 4 folders of photos"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused_with_what_to_do(
    paths: Paths, problem: str, made: Made, tmp_path: Path
) -> None:
    path = made(paths, tmp_path)
    with pytest.raises(InputError, match=problem) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(str(path))
    assert "folder" in str(caught.value).rpartition(";")[2]
    assert "\n" not in str(caught.value)


def test_a_plain_set_is_read_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        read_manifest(folder_of(PLAIN, tmp_path))
    assert caplog.text == ""


def test_what_likewise_wrote_is_read_by_the_first_folder(tmp_path: Path) -> None:
    """A name may hold folders of its own, under the person's."""
    from likewise.data.convert import convert

    lines = ["path,identity"]
    for person in ("anna", "bob"):
        for album in ("2004", "2005"):
            photo = tmp_path / "in" / album / f"{person}.jpg"
            photo.parent.mkdir(parents=True, exist_ok=True)
            photo.write_bytes(f"{person} {album}".encode())
            lines.append(f"{album}/{person}.jpg,{person}")
    (tmp_path / "in" / "list.csv").write_text("\n".join(lines) + "\n")
    assert convert(tmp_path / "in" / "list.csv", tmp_path / "out", "folder").verified
    assert read_manifest(tmp_path / "out").identities == ["anna", "bob"]
