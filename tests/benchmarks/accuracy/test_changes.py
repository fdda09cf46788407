"""A lever changes the keys that it names, on the recipe that is chosen for the photos."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from benchmarks.accuracy.changes import FLIP, all_levers, changed, effective, levers, sized

from benchmarks.accuracy import lfw, omniglot, orl
from likewise.data.formats import read_manifest
from likewise.models.registry import Backbone, create_backbone
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.recipe.unused_keys import refuse_unused_keys
from likewise.training.setup.choose import choose
from tests.conftest import make_photos


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The one that is chosen for ten people, whose photos are large enough for 64 pixels."""
    photos = read_manifest(make_photos(tmp_path_factory.mktemp("made"), people=10))
    chosen = choose(photos, budget_minutes=2).recipe
    return recipe_with(chosen, ["input.height=64", "input.width=64", "training.precision=bf16"])


def flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    found = {}
    for name, value in values.items():
        inner = flat(value, f"{before}{name}.") if isinstance(value, dict) else None
        found.update({before + name: value} if inner is None else inner)
    return found


def differences(one: Recipe, other: Recipe) -> dict[str, Any]:
    """The new values of the keys that differ; None for those that are gone."""
    old, new = flat(one.model_dump(mode="json")), flat(other.model_dump(mode="json"))
    return {key: new.get(key) for key in {*old, *new} if old.get(key) != new.get(key)}


def check(recipe: Recipe, settings: list[str]) -> None:
    """Exactly the named keys differ; the loss as a whole is the one that is named."""
    named = {s.partition("=")[0]: yaml.safe_load(s.partition("=")[2]) for s in settings}
    made = changed(recipe, settings)
    found = differences(recipe, made)
    assert {k: v for k, v in found.items() if k[:5] != "loss."} == pytest.approx(
        {k: v for k, v in named.items() if k[:5] != "loss."}
    )
    loss = {k[5:]: v for k, v in named.items() if k[:5] == "loss."}
    assert made.loss.model_dump(exclude={"memory"}) == (
        loss or recipe.loss.model_dump(exclude={"memory"})
    )
    refuse_unused_keys(made)


def test_every_lever_changes_exactly_the_keys_that_it_names(recipe: Recipe) -> None:
    found = levers(recipe)
    for name, settings in found.items():
        if settings == [FLIP]:
            assert changed(recipe, settings) == recipe
        else:
            assert differences(recipe, changed(recipe, settings)), name
            check(recipe, settings)
    assert set(all_levers(recipe)) - set(found) == {"input 64 px"}  # it has these already


def test_levers_that_are_relative_follow_the_recipe(recipe: Recipe) -> None:
    given = recipe_with(recipe, ["optimizer.lr=0.03", "schedule.steps=700"])
    found = levers(given)
    assert changed(given, found["learning rate × 3"]).optimizer.lr == pytest.approx(0.09)
    assert changed(given, found["learning rate / 3"]).optimizer.lr == pytest.approx(0.01)
    assert changed(given, found["half the steps"]).schedule.steps == 350
    assert changed(given, found["twice the steps"]).schedule.steps == 1400
    assert changed(given, found["twice the steps"]).training.budget_minutes == 2


def test_the_form_of_the_input_stays(recipe: Recipe) -> None:
    wide = recipe_with(recipe, ["input.height=32", "input.width=128"])
    assert sized(wide, 48) == ["input.height=24", "input.width=96"]


@pytest.mark.parametrize("module", [lfw, orl, omniglot])
def test_candidates_change_the_chosen_recipe_and_not_other_defaults(
    recipe: Recipe, module: Any
) -> None:
    for name, settings in module.CANDIDATES.items():
        found = effective(recipe, settings)
        assert bool(found) == (name != "default"), name
        check(recipe, found)


def test_every_network_takes_the_inputs_of_the_levers(recipe: Recipe) -> None:
    found = levers(recipe)
    for name in ("contrastnet", "mobilefacenet", "input 48 px", "input 112 px"):
        made = changed(recipe, found[name])
        backbone = Backbone(made.model.name, made.model.embedding_dim, made.model.dropout)
        size = made.input
        create_backbone(backbone, height=size.height, width=size.width, channels=size.channels)
