"""Every photo is read once, and its properties are recorded."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from likewise.data.formats import read_manifest
from likewise.inspection.census import SIDE, take_census
from tests.conftest import draw_person, make_photos


def odd_photos(tmp_path: Path) -> Path:
    folder = make_photos(tmp_path / "photos", ("anna", "bob"), each=2)
    face = draw_person(0, 7)
    face.save(folder / "anna" / "colour.jpg")
    face.convert("L").save(folder / "anna" / "grey.png")
    face.convert("L").convert("RGB").save(folder / "anna" / "grey_as_rgb.png")
    face.resize((80, 60)).save(folder / "bob" / "wide.webp")
    (folder / "bob" / "text.jpg").write_text("no photo")
    Image.new("RGB", (2, 2)).save(folder / "bob" / "tiny.png")
    face.resize((300, 300)).save(folder / "bob" / "whole.jpg")
    whole = (folder / "bob" / "whole.jpg").read_bytes()
    (folder / "bob" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    return folder


def test_the_properties_of_each_photo(tmp_path: Path) -> None:
    manifest = read_manifest(odd_photos(tmp_path))
    census = take_census(manifest)
    of = {Path(name).name: row for row, name in enumerate(manifest.names)}
    assert {Path(manifest.names[row]).name for row in census.broken} == {
        "text.jpg", "tiny.png", "cut.jpg",
    }  # fmt: skip
    assert "not an image" in census.broken[of["text.jpg"]]
    assert census.formats[of["wide.webp"]] == "WEBP"
    assert census.sizes[of["wide.webp"]].tolist() == [80, 60]
    assert census.colours[of["colour.jpg"]] == "colour"
    assert census.colours[of["grey.png"]] == "grey"
    assert census.colours[of["grey_as_rgb.png"]] == "grey stored as colour"
    row = of["colour.jpg"]
    assert census.bytes[row] == (manifest.root / manifest.names[row]).stat().st_size
    assert census.digests is not None
    assert census.grey is not None
    with Image.open(manifest.root / manifest.names[row]) as image:
        pixels = np.asarray(image.convert("RGB"))
        small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    expected = hashlib.sha256(b"(40, 40)" + pixels.tobytes()).digest()
    assert census.digests[row].tobytes() == expected
    np.testing.assert_array_equal(census.grey[row], np.asarray(small).ravel())


def test_headers_alone_see_sizes_but_no_damage_behind_them(tmp_path: Path) -> None:
    manifest = read_manifest(odd_photos(tmp_path))
    quick, whole = take_census(manifest, headers_only=True), take_census(manifest)
    good = whole.readable
    np.testing.assert_array_equal(quick.sizes[good], whole.sizes[good])
    np.testing.assert_array_equal(quick.bytes[good], whole.bytes[good])
    assert [quick.formats[row] for row in good] == [whole.formats[row] for row in good]
    assert quick.digests is None
    assert set(quick.broken) < set(whole.broken)
