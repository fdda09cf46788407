"""The recipe: every key is explained, typing mistakes are named, and files load again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from likewise.errors import InputError
from likewise.training.recipe.recipe import Recipe, load_recipe, recipe_with
from likewise.training.setup.build import seed_everything


def keys(model: type[BaseModel], prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += keys(inner, f"{prefix}{name}.")
        else:
            found.append((prefix + name, field))
    return found


@pytest.mark.parametrize(("key", "field"), keys(Recipe))
def test_every_key_has_a_default_and_an_explanation(key: str, field: Any) -> None:
    assert not field.is_required(), key
    assert field.description, key


def test_yaml_loads_to_an_equal_recipe(tmp_path: Path) -> None:
    recipe = recipe_with(Recipe(), ["loss.name=arcface", "loss.margin=0.4", "schedule.epochs=7"])
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "r.yaml") == recipe
    assert "  epochs: 7  # passes over the photos" in recipe.to_yaml()
    (tmp_path / "r.yaml").write_text("schedule: {epochs: 3}\n")
    assert load_recipe(tmp_path / "r.yaml") == recipe_with(Recipe(), ["schedule.epochs=3"])
    (tmp_path / "r.yaml").write_text("")
    assert load_recipe(tmp_path / "r.yaml") == Recipe()


def test_setting_keys() -> None:
    recipe = recipe_with(Recipe(), ["optimizer.lr=1e-2", "augment.erase.p=0.3", "loss.scale=1e1"])
    assert recipe.optimizer.lr == 0.01
    assert recipe.augment.erase.p == 0.3
    assert recipe.loss.parameters() == {"scale": 10.0}
    smooth = recipe_with(Recipe(), ["loss.label_smoothing=0.1", "loss.reduction=mean"])
    assert smooth.loss.parameters()["label_smoothing"] == 0.1


def test_another_loss_drops_the_parameters_of_the_first() -> None:
    assert recipe_with(Recipe(), ["loss.name=softmax"]).loss.parameters() == {}
    kept = recipe_with(Recipe(), ["loss.name=arcface", "loss.margin=0.2"])
    assert kept.loss.parameters() == {"margin": 0.2}


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("schedule.epoch=3", "unknown key 'schedule.epoch'; did you mean 'epochs'"),
        ("epochs=3", "unknown key 'epochs'; did you mean 'schedule.epochs'"),
        ("epoch=3", "unknown key 'epoch'; did you mean 'schedule.epochs'"),
        ("xyzzy=3", "unknown key 'xyzzy'; known here"),
        ("lr=0.1", "did you mean 'optimizer.lr'"),
        ("schedule.lr=0.1", "unknown key 'schedule.lr'; did you mean 'optimizer.lr'"),
        ("p=0.1", "did you mean 'augment.crop.p' or .* or 'augment.erase.p'"),
        ("margin=0.4", "did you mean 'loss.margin'"),
        ("loss.reduction=sum", "loss.reduction: 'sum'; training takes the mean of a batch"),
        ("loss.cosface={reduction: none}", "parameter of cosface"),
        ("name=sgd", "'model.name' or 'loss.name' or 'optimizer.name' or 'schedule.name'"),
        ("shedule.epochs=3", "unknown key 'shedule'; did you mean 'schedule'"),
        ("augment.erase.prob=1", "unknown key 'augment.erase.prob'; did you mean 'p'"),
        ("schedule.epochs=many", "schedule.epochs: input should be a valid integer"),
        ("schedule.epochs=0", "schedule.epochs: input should be greater than or equal to 1"),
        ("augment.flip=2", "augment.flip"),
        ("optimizer.name=adam", "optimizer.name"),
        ("schedule.epochs.more=3", "epochs is a value, not a section"),
        ("epochs", "expected section.key=value"),
        ("optimizer.lr={", "is not a value"),
        ("optimizer.lr=.inf", "optimizer.lr: input should be a finite number; got inf"),
        ("training.seed=4294967296", "training.seed: input should be less than"),
        ("training.peer_timeout_s=1e9", "training.peer_timeout_s: input should be less than"),
        ("model.freeze=body", "model.freeze: a list is expected"),
        ("head=3", "head: keys are expected, as in head.sample; got 3"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        recipe_with(Recipe(), [setting])
    assert "\n" not in str(caught.value)


def test_wrong_files(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    with pytest.raises(InputError, match="no such file"):
        load_recipe(path)
    for content, problem in (("a: [", "not valid YAML"), ("- 1\n", "expected keys")):
        path.write_text(content)
        with pytest.raises(InputError, match=problem):
            load_recipe(path)
    path.write_text("optimizer:\n  learning_rate: 3\n")
    with pytest.raises(InputError, match=r"r.yaml: unknown key 'optimizer.learning_rate'"):
        load_recipe(path)


def test_the_seed_of_a_process_may_be_large() -> None:
    """The seed is multiplied for each rank, and NumPy takes only 32 bits."""
    seed_everything((2**32 - 1) * 65_537 + 511)
