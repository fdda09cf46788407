"""The recipe for given photos: it says what ``train`` decides, and trains to the same network."""

from __future__ import annotations

from pathlib import Path

import pytest

import likewise
from likewise.errors import InputError
from likewise.losses import automatic_scale
from likewise.training.recipe.commented import commented
from likewise.training.recipe.recipe import Recipe, load_recipe, recipe_with
from likewise.training.setup.choose import recipe_for
from tests.conftest import make_photos

SMALL = ["input.height=32", "input.width=32", "model.name=contrastnet", "model.embedding_dim=16",
         "schedule.epochs=1", "data.workers=0", "training.device=cpu"]  # fmt: skip


def test_nothing_is_left_to_the_data(tmp_path: Path) -> None:
    manifest = likewise.read_manifest(make_photos(tmp_path / "photos", people=8))
    recipe = recipe_for(manifest)
    assert recipe.batch.sampler == "plain"
    assert recipe.loss.parameters()["scale"] == automatic_scale(6)  # two are held out
    (tmp_path / "r.yaml").write_text(commented(recipe))
    assert load_recipe(tmp_path / "r.yaml") == recipe


def test_it_trains_to_the_network_of_the_default_recipe(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    chosen = recipe_for(likewise.read_manifest(photos))
    fingerprints = {
        likewise.load(
            likewise.train(photos, tmp_path / name, recipe_with(recipe, SMALL)).model
        ).fingerprint
        for name, recipe in (("default", Recipe()), ("chosen", chosen))
    }
    assert len(fingerprints) == 1


def test_one_identity_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only one identity"):
        recipe_for(likewise.read_manifest(make_photos(tmp_path / "photos", people=1)))
