"""The documentation of albums: its Python runs, and its edits are those of the command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import likewise
from likewise.recognition.albums import update
from likewise.recognition.albums.edit import edit_albums
from tests.recognition.albums.painted import PaintedRecognizer, paint

PAGE = (Path(__file__).parents[3] / "docs" / "albums.md").read_text(encoding="utf-8")


def test_the_python_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(update, "_recognizer", lambda *_: (PaintedRecognizer(), ()))
    monkeypatch.setattr(likewise, "cluster_photos", update.cluster_photos, raising=False)
    monkeypatch.setattr(likewise, "edit_albums", edit_albums, raising=False)
    for person in range(1, 8):
        for take in range(2):
            paint(tmp_path / "photos" / f"{person}-{take}.png", [person], variant=take)
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(block, {})  # the documentation of this repository
    assert capsys.readouterr().out.splitlines()[0] == "group 1 2"
