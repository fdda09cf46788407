"""Every example on the page on learned metrics, and in the docstrings of the package, runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import likewise.metriclearn

PAGE = Path(__file__).parents[2] / "docs" / "metric-learning.md"
MODULES = [module.name for module in pkgutil.iter_modules(likewise.metriclearn.__path__)]
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(f"likewise.metriclearn.{name}")
    assert doctest.testmod(module, globs={}).failed == 0


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_page_examples(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "page", "exec"), {})


def test_the_page_names_every_metric() -> None:
    page = PAGE.read_text()
    assert [name for name in likewise.metriclearn.__all__ if f"`{name}" not in page] == []
