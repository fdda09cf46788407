"""A set whose photos are nowhere says why, whatever was to be done with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import likewise
from likewise.data.convert import convert
from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.inspection.census import take_census
from likewise.training.run import train
from tests.conftest import quick_recipe

USES: dict[str, Callable[[Manifest, Path, Path], object]] = {
    "train": lambda photos, out, _: train(photos, out, quick_recipe()),
    "train, not kept": lambda photos, out, _: train(photos, out, quick_recipe("data.keep_mib=0")),
    "embed": lambda photos, _, model: likewise.load(model).embed_manifest(
        photos, on_bad_image="skip"
    ),
    "inspect": lambda photos, _, __: take_census(photos),
}


def table(folder: Path, separator: str = "/") -> Path:
    rows = [f"{who}{separator}{n}.png,{who}" for who in ("anna", "bob", "carl") for n in range(4)]
    (folder / "split.csv").write_text("\n".join(["path,identity", *rows]) + "\n")
    return folder / "split.csv"


@pytest.mark.parametrize("use", USES)
def test_no_photo_where_the_table_says(use: str, photos: Path, model: Path, tmp_path: Path) -> None:
    listed = table(tmp_path)
    first = tmp_path / "anna" / "0.png"
    with pytest.raises(InputError, match="none of the 12 photos exists; the first one") as found:
        USES[use](read_manifest(listed), tmp_path / "out", model)
    assert str(first) in str(found.value)
    assert str(found.value).endswith("name the folder that the paths start from with --root")
    USES[use](read_manifest(listed, photos), tmp_path / "out", model)


def test_backslashes_are_named(photos: Path, tmp_path: Path) -> None:
    listed = table(tmp_path, "\\")
    with pytest.raises(InputError, match="its paths have backslashes: write / between"):
        convert(listed, tmp_path / "out", "tar", root=photos)


def test_one_photo_that_is_there_is_enough(photos: Path, tmp_path: Path, model: Path) -> None:
    for photo in sorted(photos.rglob("*.png"))[:-1]:
        photo.unlink()
    embeddings, bad = likewise.load(model).embed_manifest(
        read_manifest(table(tmp_path), photos), on_bad_image="skip"
    )
    assert (len(embeddings), len(bad)) == (1, 11)
