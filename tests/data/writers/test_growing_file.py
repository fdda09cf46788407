"""Files that grow over several runs, and get their name when they are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from likewise.data.writers.growing_file import GrowingFile
from likewise.errors import InputError, LikewiseError


def test_a_growing_file_has_its_name_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.rec"
    file = GrowingFile(path)
    file.write(b"????bc")
    file.overwrite(b"head", 0)
    assert file.flush() == 6
    file.write(b"d")
    assert not path.exists()
    file.complete()
    assert path.read_bytes() == b"headbcd"
    assert [p.name for p in path.parent.iterdir()] == ["x.rec"]


def test_it_goes_on_from_what_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    first = GrowingFile(path)
    first.write(b"abc")
    size = first.flush()
    first.write(b"lost")
    del first
    second = GrowingFile(path, size)
    second.write(b"def")
    second.complete()
    assert path.read_bytes() == b"abcdef"
    third = GrowingFile(path, 4)  # it was stopped after the name was given
    assert not path.exists()
    third.complete()
    assert path.read_bytes() == b"abcd"


def test_less_than_was_acknowledged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.rec: fewer than 3 bytes are left"):
        GrowingFile(tmp_path / "x.rec", 3)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LikewiseError, match="cannot write .*file/x.rec"):
        GrowingFile(tmp_path / "file" / "x.rec")
