"""Errors of writing name the cause and a remedy that fits it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from likewise.errors import LikewiseError, cannot_write
from likewise.storage import new_file, output_folder, write_text


def test_a_file_instead_of_a_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    file.touch()
    for place, named in ((file, "it"), (file / "x" / "y", str(file))):
        with pytest.raises(LikewiseError) as caught:
            output_folder(place)
        assert str(caught.value) == (
            f"cannot write {place}: {named} is a file, not a folder; "
            "choose another place with --out"
        )
    with pytest.raises(LikewiseError, match=f"{file} is a file, not a folder; choose"):
        write_text(file / "x.json", "{}")
    with (
        pytest.raises(LikewiseError, match="it is a folder, not a file; choose"),
        new_file(tmp_path) as temporary,
    ):
        temporary.touch()


@pytest.mark.parametrize(
    ("number", "space"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EFBIG, True), (errno.EACCES, False),
     (errno.EROFS, False)],
)  # fmt: skip
def test_free_space_is_advised_only_if_it_helps(number: int, space: bool) -> None:
    line = cannot_write(Path("x"), OSError(number, os.strerror(number)))
    assert line.startswith(f"cannot write x: {os.strerror(number)}; ")
    assert ("free some space" in line) == space
    assert line.endswith("choose another place with --out")
