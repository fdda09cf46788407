"""Every example on the pages on training runs, and their recipes load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from likewise.training.recipe.recipe import load_recipe

PAGES = sorted((Path(__file__).parents[2] / "docs" / "training").glob("*.md"))


def blocks(kind: str) -> list[object]:
    return [
        pytest.param(block, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, block in enumerate(
            re.findall(rf"```{kind}\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
        )
    ]


@pytest.mark.parametrize("block", blocks("python"))
def test_page_examples(block: str) -> None:
    exec(compile(block, "page", "exec"), {})


@pytest.mark.parametrize("block", blocks("yaml"))
def test_page_recipes(block: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(block, encoding="utf-8")
    load_recipe(path)
