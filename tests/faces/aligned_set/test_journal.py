"""The journal: what a crash leaves, damage, other settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from likewise.errors import InputError
from likewise.faces.aligned_set.journal import JOURNAL, CropJournal
from likewise.faces.aligned_set.outcome import Outcome, Taken

SETTINGS = {"size": 112, "keep": "main"}
FIRST = Outcome("a/1.jpg", "10-20", "one", "", ((1.0, 2.0, 3.0, 4.0),),
                (Taken(0, "a/1.jpg", 99, 0.9, 0.99, 40.0, -1.5),))  # fmt: skip
SECOND = Outcome("b/\udce4 2.jpg", "11-21", "broken", "truncated")


def filled(folder: Path) -> Path:
    with CropJournal(folder, SETTINGS) as journal:
        journal.add(FIRST)
        journal.add(SECOND)
    return folder / JOURNAL


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    filled(tmp_path)
    assert list(CropJournal(tmp_path, SETTINGS).done.values()) == [FIRST, SECOND]


def test_every_cut_leaves_the_photos_before_it(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 11), len(whole) - 1, len(whole)]:
        path.write_bytes(whole[:length])
        journal = CropJournal(tmp_path, SETTINGS)
        assert len(journal.done) == max(0, whole[:length].count(b"\n") - 1)
        with journal:
            journal.add(SECOND)
        assert SECOND.name in CropJournal(tmp_path, SETTINGS).done


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = filled(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    for bad in (b"{}\n", b"\xff\n", b'{"name": 1}\n', b"[" * 10_000 + b"\n",
                lines[1].replace(b'"one"', b'"many"')):  # fmt: skip
        path.write_bytes(lines[0] + bad)
        with pytest.raises(InputError, match="line 2 is damaged; remove the file"):
            CropJournal(tmp_path, SETTINGS)
    for file in ("../../thesis.jpg", "/home/thesis.jpg", "", "a/../../1.jpg"):
        path.write_bytes(lines[0] + lines[1].replace(b'"file": "a/1.jpg"',
                                                     f'"file": "{file}"'.encode()))  # fmt: skip
        with pytest.raises(InputError, match="line 2 is damaged"):  # it would be removed
            CropJournal(tmp_path, SETTINGS)
    path.write_bytes(b'{"format": "another"}\n')
    with pytest.raises(InputError, match="not the journal of an alignment"):
        CropJournal(tmp_path, SETTINGS)


def test_other_settings_are_refused_with_both_values(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(InputError, match=r"another size \(112, now 224\)"):
        CropJournal(tmp_path, {**SETTINGS, "size": 224})
    with pytest.raises(InputError, match=r"another rule for several faces \(main, now all\)"):
        CropJournal(tmp_path, {**SETTINGS, "keep": "all"})


def test_forgotten_photos_are_gone_from_the_file(tmp_path: Path) -> None:
    path = filled(tmp_path)
    CropJournal(tmp_path, SETTINGS).forget({FIRST.name})
    assert b"a/1.jpg" not in path.read_bytes()
    assert list(CropJournal(tmp_path, SETTINGS).done) == [SECOND.name]
