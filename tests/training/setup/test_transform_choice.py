"""Training with a transform of the user: reproducible, resumable, and named in the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.transforms import v2

import likewise
from likewise.data.augmentation.own_transform import OwnTransform
from likewise.errors import InputError, LikewiseError
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.setup.transform_choice import with_transform
from tests.conftest import quick_recipe

CROP = v2.Compose([v2.RandomResizedCrop(32, antialias=True), v2.RandomHorizontalFlip()])


def turned(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.rot90(pixels, int(np.random.randint(4)))  # noqa: NPY002  # as users write it


def weights(run: likewise.TrainingResult) -> dict[str, torch.Tensor]:
    return likewise.load(run.model).module.state_dict()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("transform", [CROP, turned])
def test_workers_and_a_restart_change_no_bit(transform: Any, photos: Path, tmp_path: Path) -> None:
    recipe = quick_recipe("schedule.epochs=3", "model.dropout=0.2")
    whole = likewise.train(photos, tmp_path / "a", recipe, transform=transform)
    workers = recipe_with(recipe, ["data.workers=2"])
    other = likewise.train(photos, tmp_path / "b", workers, transform=transform)
    assert same(weights(whole), weights(other))
    part = likewise.train(photos, tmp_path / "c", recipe, transform=transform, profile=1)
    assert not part.finished
    resumed = likewise.train(photos, tmp_path / "c", resume=True, transform=transform)
    assert resumed.finished
    assert same(weights(whole), weights(resumed))
    plain = likewise.train(photos, tmp_path / "d", recipe)
    assert not same(weights(whole), weights(plain))


def test_the_saved_recipe_names_the_transform(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = quick_recipe("schedule.epochs=1")
    likewise.train(photos, tmp_path / "run", recipe, transform=turned)
    saved = likewise.load_recipe(tmp_path / "run" / "recipe.yaml")
    assert saved.data.transform == f"{__name__}.turned"
    with pytest.raises(InputError, match=r"data\.transform: the recipe goes with a transform \("):
        likewise.train(photos, tmp_path / "run", resume=True, epochs=2)
    with pytest.raises(InputError, match=r"give it to likewise\.train\(transform=\.\.\.\)"):
        likewise.train(photos, tmp_path / "other", saved)
    run = likewise.train(photos, tmp_path / "run", resume=True, epochs=2, transform=CROP)
    assert run.finished
    assert f"the run began with the transform {__name__}.turned; it goes on with" in caplog.text


def test_a_run_without_one_is_not_resumed_with_one() -> None:
    recipe = Recipe()
    assert with_transform(recipe, None, resume=True) is recipe
    with pytest.raises(InputError, match="transform: the run began with the augmentation of its"):
        with_transform(recipe, OwnTransform(turned), resume=True)


def test_a_transform_that_fails_stops_the_run_before_its_first_step(
    photos: Path, tmp_path: Path
) -> None:
    def broken(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        raise ValueError(f"no strength for {pixels.shape}")

    with pytest.raises(LikewiseError, match="transform: ValueError: no strength for") as caught:
        likewise.train(photos, tmp_path / "run", quick_recipe("data.workers=2"), transform=broken)
    assert "\n" not in str(caught.value)
