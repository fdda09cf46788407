"""The page on very many classes: its examples, its recipe and its tables are correct."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from benchmarks.classes.simulation import PUBLISHED, dense_mib, network_mib, tables

from likewise.training.recipe.recipe import Recipe

PAGE = (Path(__file__).parents[2] / "docs/training/class-sampling.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", PAGE, re.S))
def test_examples(block: str) -> None:
    exec(compile(block, "page", "exec"), {})


def test_the_recipe_is_one() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    assert Recipe.model_validate(yaml.safe_load(block)).head.sample == 0.1
    for line in block.splitlines()[1:]:
        key, comment = line.split(":")[0].strip(), line.partition("# ")[2]
        description = Recipe.model_fields["head"].annotation.model_fields[key].description
        assert comment == description.replace("None", "null")


def test_tables_are_those_that_the_command_prints() -> None:
    for table in tables().split("\n\n"):
        assert table in PAGE


def test_the_arithmetic_gives_the_published_numbers() -> None:
    for classes, mib in PUBLISHED.items():
        assert dense_mib(classes, 8, network_mib()) == pytest.approx(mib, rel=0.05)
