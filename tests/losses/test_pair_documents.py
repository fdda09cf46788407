"""Every example in the docstrings and in the pages on distances, pairs and triplets runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import likewise.distances
import likewise.losses
import likewise.mining

ROOT = Path(__file__).parents[2]
PAGES = ["docs/distances.md", "docs/losses/pairs-and-triplets.md"]
MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (likewise.distances, likewise.losses, likewise.mining)
    for module in pkgutil.iter_modules(package.__path__)
]
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    )
]


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


@pytest.mark.parametrize("block", BLOCKS)
def test_page_examples(block: str) -> None:
    exec(compile(block, "page", "exec"), {})
