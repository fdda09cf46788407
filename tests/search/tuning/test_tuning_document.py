"""Every example on the page on tuning runs, one after another, as a reader would type them."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from likewise.search import tuning

PAGE = Path(__file__).parents[3] / "docs" / "search" / "tuning.md"
MODULES = [module.name for module in pkgutil.iter_modules(tuning.__path__)]


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) >= 8
    shared: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "page", "exec"), shared)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(f"likewise.search.tuning.{name}")
    assert doctest.testmod(module).failed == 0
