"""The code blocks of docs/faces.md run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from likewise.faces.detectors.detector import DETECTORS
from likewise.faces.finder import FaceFinder

PAGE = Path(__file__).parents[2] / "docs" / "faces.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def test_the_code_of_the_page_runs(
    finder: FaceFinder,
    groups: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("party", "a", "b"):
        shutil.copy(groups / "2008_001009.jpg", tmp_path / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    assert len(BLOCKS) == 2
    for block in BLOCKS:
        exec(compile(block, str(PAGE), "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 2
    DETECTORS._kinds.pop("mine")
