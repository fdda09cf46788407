"""The page on networks of your own: its examples run, and the keys that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import likewise
from likewise.models import registry
from likewise.models.registration import register_backbone
from likewise.training.recipe.named import list_recipes
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup import prepare
from tests.conftest import make_photos

PAGE = (Path(__file__).parents[2] / "docs" / "own-networks.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm")
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare, "usable_cores", lambda: 1)  # no processes that only decode
    monkeypatch.setattr(likewise, "register_backbone", register_backbone, raising=False)
    monkeypatch.setattr(likewise, "create_backbone", registry.create_backbone, raising=False)
    make_photos(tmp_path / "photos", people=("anna", "bob", "carl", "dora", "emil", "fred"))
    names: dict[str, object] = {"__name__": "own_networks_page"}
    try:
        for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
            exec(compile(block, "own-networks.md", "exec"), names)
    finally:
        registry.REGISTERED.pop("small", None)


def test_the_keys_and_the_recipe_on_the_page_are_there() -> None:
    keys = set(re.findall(r"`((?:model|input|optimizer)\.[a-z_]+)", PAGE))
    recipe = Recipe().model_dump()
    for key in keys:
        section, _, name = key.partition(".")
        assert name in recipe[section], key
    assert {"model.pretrained", "model.settings", "input.mean", "input.crop"} <= keys
    assert "retrieval" in list_recipes()
