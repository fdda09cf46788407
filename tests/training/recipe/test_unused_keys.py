"""Keys without effect are refused if the user relies on them."""

from __future__ import annotations

from pathlib import Path

import pytest

import likewise
from likewise.errors import InputError
from likewise.training.recipe.recipe import Recipe, load_recipe, recipe_with
from likewise.training.recipe.unused_keys import refuse_unused_keys
from tests.conftest import quick_recipe


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ("distill.weight=2", "distill.teacher=MODEL"),
        ("distill.kind=relational", "distill.teacher=MODEL"),
        ("distill.temperature=0.2", "distill.teacher=MODEL"),
        ("head.folder=/data/head", "head.storage=mmap"),
        ("model.unfreeze_epoch=3", r"model.freeze=\[PATTERN\]"),
        ("batch.identities=32", "batch.sampler=balanced"),
        ("batch.images=8", "batch.sampler=balanced"),
        ("schedule.milestones=[0.3]", "schedule.name=step"),
        ("schedule.factor=0.5", "schedule.name=step"),
        ("schedule.power=2", "schedule.name=polynomial"),
        ("optimizer.momentum=0.8", "optimizer.name=sgd"),
        ("optimizer.nesterov=true", "optimizer.name=sgd"),
        ("augment.erase={largest: 0.3}", r"augment\.erase\.p=0\.5"),
        ("augment.blur.sigma=2", r"augment\.blur\.p=0\.5"),
    ],
)
def test_a_key_without_effect_is_refused(photos: Path, tmp_path: Path, setting: str, remedy: str
) -> None:  # fmt: skip
    key = setting.partition("=")[0]
    recipe = recipe_with(Recipe(), ["data.val_identities=0", setting])
    with pytest.raises(InputError, match=rf"^{key}.*has no effect with.*; set {remedy}") as caught:
        likewise.train(photos, tmp_path / "run", recipe)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("adamw", "optimizer.nesterov=true"),
        ("sgd", "optimizer.betas=[0.9, 0.95]"),
        ("sgd", "optimizer.eps=1e-6"),
    ],
)
def test_what_the_optimizer_does_not_have_is_refused_also_if_it_is_named(
    name: str, setting: str
) -> None:
    key = setting.partition("=")[0]
    with pytest.raises(InputError, match=rf"^{key}=.* has no effect with optimizer.name={name}"):
        refuse_unused_keys(recipe_with(Recipe(), [f"optimizer.name={name}", setting]))


def test_temperature_belongs_to_similarity() -> None:
    teacher = "distill.teacher=m"
    with pytest.raises(InputError, match=r"distill.temperature=0.2.*distill.kind=similarity"):
        refuse_unused_keys(recipe_with(Recipe(), [teacher, "distill.temperature=0.2"]))
    for kind in ("similarity", "cosine"):  # one of several that are tried in turn
        refuse_unused_keys(
            recipe_with(Recipe(), [teacher, "distill.temperature=0.2", f"distill.kind={kind}"])
        )


@pytest.mark.parametrize(
    "settings",
    [
        ["distill.weight=1", "distill.kind=cosine", "head.folder=null"],  # at their defaults
        ["distill.teacher=m", "distill.weight=2", "distill.kind=l2"],
        ["head.storage=mmap", "head.folder=/data/head"],
        ["model.freeze=[a.*]", "model.unfreeze_epoch=3"],
        ["batch.sampler=balanced", "batch.identities=32"],
        ["augment.erase={p: 0.2, largest: 0.3}"],
        # Who names the choice knows of it: recipes are switched from one to another.
        ["batch.sampler=balanced", "batch.identities=32", "batch.sampler=plain"],
        ["optimizer.name=adamw", "optimizer.momentum=0.8"],
    ],
)
def test_keys_with_an_effect_are_accepted(settings: list[str]) -> None:
    refuse_unused_keys(recipe_with(Recipe(), settings))


def test_file_and_settings_are_checked_together(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("batch: {identities: 32}\n")
    with pytest.raises(InputError, match=r"batch\.identities=32"):
        refuse_unused_keys(recipe_with(load_recipe(path), ["schedule.epochs=2"]))
    refuse_unused_keys(recipe_with(load_recipe(path), ["batch.sampler=balanced"]))
    path.write_text(recipe_with(load_recipe(path), []).to_yaml())  # as a run keeps it
    refuse_unused_keys(load_recipe(path))


def test_a_run_with_such_a_key_resumes(photos: Path, tmp_path: Path) -> None:
    likewise.train(photos, tmp_path / "run", quick_recipe("schedule.epochs=1"))
    path = tmp_path / "run" / "recipe.yaml"
    text = path.read_text()
    assert "weight: 1.0  # weight of" in text
    path.write_text(text.replace("weight: 1.0  # weight of", "weight: 2.0  # weight of"))
    assert likewise.train(photos, tmp_path / "run", resume=True).finished
