"""A folder of identities, for names of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.data.formats import read_manifest
from likewise.data.writers.folder import FolderWriter
from likewise.data.writers.safe_names import MAX_BYTES, photo_path, safe_part
from likewise.errors import InputError, LikewiseError


@given(st.text(st.characters(codec="utf-8")), st.booleans())
def test_a_safe_name_can_be_held_and_is_its_own(name: str, windows: bool) -> None:
    safe = safe_part(name, windows=windows)
    assert 0 < len(safe.encode()) <= MAX_BYTES
    assert not set(safe) & set("\0/" + ('<>:"\\|?*' if windows else ""))
    assert not safe.startswith(".")
    assert safe_part(safe, windows=windows) == safe


@pytest.mark.parametrize(
    ("name", "windows", "kept"),
    [
        ("anna", False, True), ("Zoë 李.jpg", False, True), ("a:b?.jpg", False, True),
        ("a:b?.jpg", True, False), ("con.jpg", True, False), ("con.jpg", False, True),
        ("end.", True, False), (".", False, False), ("..", False, False), (".hid", False, False),
        ("__MACOSX", False, False), ("", False, False), ("x" * 255, False, True),
        ("x" * 256, False, False), ("李" * 86, False, False), ("a/b", False, False),
    ],
)  # fmt: skip
def test_what_is_kept(name: str, windows: bool, kept: bool) -> None:
    assert (safe_part(name, windows=windows) == name) is kept


def test_long_names_stay_apart_and_keep_their_ending() -> None:
    left, right = (safe_part("x" * 300 + end) for end in ("1.jpg", "2.jpg"))
    assert left != right
    assert left.endswith(".jpg")
    assert photo_path("/../a/./b", "anna", b"\x89PNG").parts[0] == "anna"
    assert ".." not in photo_path("/../a/./b", "anna", b"").parts


def test_whatever_the_names_the_photos_are_found(tmp_path: Path) -> None:
    photos = [
        ("anna/0.png", "anna", b"0"),
        ("000123", "/m/0abc", b"GIF89a"),
        ("../../x.jpg", "..", b"1"),
        (".hidden.jpg", ".hid", b"2"),
        ("n" * 300 + ".jpg", "i" * 300, b"3"),
    ]
    writer = FolderWriter(tmp_path / "out")
    for photo in photos:
        writer.write(*photo)
    writer.finish()
    manifest = read_manifest(tmp_path / "out")
    assert sorted(Path(p).read_bytes() for p in manifest.photos()) == sorted(d for *_, d in photos)
    assert len(manifest.identities) == 5
    assert (tmp_path / "out" / "anna" / "0.png").read_bytes() == b"0"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_two_photos_of_one_name_are_refused(tmp_path: Path) -> None:
    writer = FolderWriter(tmp_path)
    writer.write("anna/0.png", "anna", b"0")
    with pytest.raises(InputError, match="two photos of 'anna' have this name"):
        writer.write("0.png", "anna", b"1")


def test_a_disk_that_folds_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("likewise.data.writers.folder._folds_case", lambda _: True)
    writer = FolderWriter(tmp_path)
    writer.write("0.png", "anna", b"0")
    with pytest.raises(InputError, match="'anna' and 'Anna'"):
        FolderWriter(tmp_path, writer.state()).write("1.png", "Anna", b"1")


def test_a_path_that_no_system_holds(tmp_path: Path) -> None:
    with pytest.raises(LikewiseError, match="cannot write"):
        FolderWriter(tmp_path).write("d/" * 3000 + "0.png", "anna", b"0")
