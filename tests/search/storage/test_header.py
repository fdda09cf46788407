"""Headers that nobody's save has written: refused in one line that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from likewise.errors import InputError, LikewiseError
from likewise.search.index import Index
from likewise.search.interface import open_index


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"format": 2, "n": ' + "1" * 6000 + "}", "not valid JSON: Exceeds the limit"),
        ('{"format": 2, "x": NaN, "sha256": "a"}', "not valid JSON: NaN is not JSON"),
        ('{"format": 2, "x": 1e999, "sha256": "a"}', "its checksum is wrong"),
        ('{"format": 2, "x": "\\ud800"}', "its checksum is wrong"),
        ('{"format": ' + "[" * 100_000, "nested too deeply"),
        ('{"format": 2, "x": ' + "[" * 900 + "]" * 900 + "}", "its checksum is wrong|nested"),
        ('{"format": [1, 2]}', "an index of format"),
        ("\xff", "not valid JSON"),
        ("[]", "an index of format None"),
    ],
)
def test_an_odd_header(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(text.encode("latin-1"))
    for read in (Index.load, open_index):
        with pytest.raises(InputError, match=problem) as caught:
            read(tmp_path)
        line = str(caught.value)
        assert line.startswith(f"{tmp_path / 'index.json'}: ")
        assert "\n" not in line
        assert len(line) < 400


def test_a_folder_of_the_headers_name(tmp_path: Path) -> None:
    (tmp_path / "index.json").mkdir()
    for read in (Index.load, open_index):
        with pytest.raises(InputError, match=r"index.json: not a file"):
            read(tmp_path)
    with pytest.raises(LikewiseError, match=r"index.json: it is a folder, not a file"):
        Index.build(np.eye(2)).save(tmp_path)
