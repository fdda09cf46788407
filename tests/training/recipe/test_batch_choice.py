"""The sampler, if the recipe leaves it open: a loss that compares photos gets pairs."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

import likewise
from likewise.errors import InputError
from likewise.losses import list_losses
from likewise.training.recipe.batch_choice import with_sampler
from likewise.training.recipe.recipe import Recipe, load_recipe, recipe_with
from likewise.training.recipe.unused_keys import refuse_unused_keys
from likewise.training.setup.build import batches_of
from tests.conftest import make_photos, quick_recipe

COMPARE = {"circle", "contrastive", "margin_loss", "multi_similarity", "ntxent", "prototype_memory",
           "siamese_classifier", "smooth_ap", "supcon", "triplet"}  # fmt: skip


@pytest.mark.parametrize("name", [*list_losses(), "am_softmax", "cosface + 0.1*triplet"])
def test_the_loss_chooses_the_sampler(name: str) -> None:
    recipe = recipe_with(Recipe(), [f"loss.name={name}"])
    wanted = "balanced" if name in COMPARE or "triplet" in name else "plain"
    assert with_sampler(recipe).batch.sampler == wanted
    for own in ("plain", "balanced", "pairs"):
        chosen = recipe_with(recipe, [f"batch.sampler={own}"])
        assert with_sampler(chosen) == chosen


@pytest.mark.parametrize(
    "settings",
    [["loss.name=contrastive", "loss.miner=adjacent"],
     ["loss.name=softmax + 0.1*contrastive", "loss.contrastive={miner: adjacent}"]],
)  # fmt: skip
def test_the_adjacent_miner_gets_pairs(settings: list[str]) -> None:
    assert with_sampler(recipe_with(Recipe(), settings)).batch.sampler == "pairs"


@pytest.mark.parametrize(
    ("settings", "people", "photos"),
    [
        ([], 16, 4),
        (["batch.size=32"], 8, 4),
        (["batch.size=32", "batch.images=2"], 16, 2),
        (["batch.size=5"], 2, 4),
        (["batch.size=32", "batch.identities=5"], 5, 4),
    ],
)
def test_a_balanced_batch_has_about_batch_size_photos(
    settings: list[str], people: int, photos: int
) -> None:
    recipe = recipe_with(Recipe(), ["loss.name=triplet", *settings])
    refuse_unused_keys(recipe)
    batch = next(batches_of(recipe, np.arange(400) // 10).batches(0))
    labels = batch // 10
    assert len(set(labels.tolist())) == people
    assert (np.unique(labels, return_counts=True)[1] == photos).all()


def test_keys_of_a_sampler_that_the_loss_does_not_use_are_refused() -> None:
    with pytest.raises(InputError, match="batch.identities=32.*batch.sampler=plain"):
        refuse_unused_keys(recipe_with(Recipe(), ["batch.identities=32"]))
    refuse_unused_keys(recipe_with(Recipe(), ["batch.identities=32", "loss.name=supcon"]))
    with pytest.raises(InputError, match="did you mean 'triplet'"):
        with_sampler(recipe_with(Recipe(), ["loss.name=triplett"]))


def test_a_run_logs_the_sampler_and_resumes_with_it(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=4)
    recipe = quick_recipe(
        "batch.sampler=auto", "loss.name=triplet", "schedule.epochs=1", "batch.images=3"
    )
    assert likewise.train(photos, tmp_path / "run", recipe).finished
    assert load_recipe(tmp_path / "run" / "recipe.yaml").batch.sampler == "balanced"
    log = (tmp_path / "run" / "train.log").read_text()
    assert "a batch: 3 photos of each of up to 3 identities" in log
    assert likewise.train(photos, tmp_path / "run", recipe, resume=True, epochs=2).finished


def test_batches_without_pairs_are_counted_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos = make_photos(tmp_path / "photos", people=30, each=2)
    recipe = quick_recipe("batch.sampler=plain", "batch.size=3", "loss.name=triplet",
                          "schedule.epochs=1", "input.height=16", "input.width=16",
                          "model.embedding_dim=8")  # fmt: skip
    with caplog.at_level(logging.WARNING, "likewise"):
        likewise.train(photos, tmp_path / "run", recipe)
    rows = list(batches_of(recipe, np.arange(60) // 2).batches(0))
    without = sum(len(set((batch // 2).tolist())) == 3 for batch in rows)
    assert 10 < without < len(rows) == 20
    told = [
        r.getMessage() for r in caplog.records if "two photos of one identity" in r.getMessage()
    ]
    assert len(told) == 1
    assert told[0].startswith(f"{without} of 20 batches held no two photos")
    assert "batch.sampler=balanced" in told[0]


def test_a_pair_with_the_memory_counts() -> None:
    loss = likewise.losses.CrossBatchMemory(likewise.losses.SupCon(), embedding_dim=4)
    told = []
    for labels in ([0, 1, 2], [3, 4, 5], [6, 7, 1], [8, 9, 9]):
        loss(torch.randn(3, 4), torch.tensor(labels))
        told.append(bool(loss.loss.paired))
    assert told == [False, False, True, True]


@pytest.mark.parametrize(("loss", "told"), [("triplet", True), ("cosface", False)])
def test_a_loss_that_compares_photos_warns_of_people_with_one(
    loss: str, told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos = make_photos(tmp_path / "photos", people=5, each=1)
    with caplog.at_level(logging.WARNING):
        likewise.train(photos, tmp_path / "run", quick_recipe(f"loss.name={loss}"))
    assert ("5 of 5 identities have one photo" in caplog.text) == told
