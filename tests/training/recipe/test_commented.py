"""The commented recipe: every key explained, no line too long, and read back to an equal recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from likewise.training.recipe.commented import WIDTH, commented
from likewise.training.recipe.recipe import Recipe, load_recipe, recipe_with


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["loss.name=arcface", "loss.margin=0.4", "schedule.epochs=7"],
        ["loss.name=softmax + 0.1*contrastive", "loss.contrastive={miner: adjacent, margin: 0.2}"],
        ["model.freeze=['layer1.*', 'ü: # no comment']", "optimizer.lr_scale={'fc.*': 10}"],
        ["schedule.milestones=[]", "head.folder=/a folder/of mine", "training.wandb='null'"],
    ],
)
def test_it_loads_to_an_equal_recipe(settings: list[str], tmp_path: Path) -> None:
    recipe = recipe_with(Recipe(), settings)
    (tmp_path / "r.yaml").write_text(commented(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "r.yaml") == recipe


def test_every_key_has_its_explanation_beside_or_above_it() -> None:
    lines = commented(Recipe()).splitlines()
    assert "schedule:  # " in "\n".join(lines)
    assert any(line.startswith("  epochs: 20  # ") for line in lines)
    for above, line in zip(["", *lines], lines, strict=False):
        parameter_of_loss = line.strip() == "scale: auto"
        assert "# " in line or above.strip().startswith("# ") or parameter_of_loss, line
        assert len(line) <= WIDTH
