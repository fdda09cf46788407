"""Every example on the page on tuning runs, one after another, as a reader would type them."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "search" / "tuning.md"
MODULES = (
    "aim", "check", "drift", "evidence", "final", "frontier", "growth", "halving", "labels",
    "leave_one_out", "neighbors_transformer", "probes", "recall", "sweep", "tables", "timing",
    "trial", "tune", "tuning", "yardstick",
)  # fmt: skip


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) >= 8
    shared: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "page", "exec"), shared)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(f"likewise.search.{name}")
    assert doctest.testmod(module).failed == 0
