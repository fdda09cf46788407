"""A miner with parameters and a memory of earlier batches, from the recipe to the checkpoint."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch

import likewise
from likewise.errors import InputError
from likewise.losses import CrossBatchMemory, MultiSimilarity
from likewise.mining import MultiSimilarityPairs
from likewise.training.recipe.recipe import Recipe, load_recipe, recipe_with
from likewise.training.setup.build import loss_of
from likewise.training.trainer import Trainer
from tests.conftest import make_photos, quick_recipe
from tests.training.test_run import assert_same_run, checkpoint

MEMORY = (
    "loss.name=multi_similarity",
    "loss.miner={name: multi_similarity, epsilon: 0.05}",
    "loss.memory={size: 8, start: 1}",
)


def test_the_recipe_as_yaml(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "loss:\n"
        "  name: multi_similarity\n"
        "  miner: {name: multi_similarity, epsilon: 5e-2}\n"
        "  memory: {size: 512, start: 100, in_batch: anchor}\n"
    )
    loss = loss_of(load_recipe(tmp_path / "recipe.yaml"), num_classes=3)
    assert isinstance(loss, CrossBatchMemory)
    assert (len(loss.labels), loss.warmup, loss.in_batch) == (512, 100, "anchor")
    assert isinstance(loss.loss, MultiSimilarity)
    assert loss.loss.miner == MultiSimilarityPairs(epsilon=0.05)
    by_key = recipe_with(Recipe(), ["loss.name=supcon", "loss.memory.size=64"])
    assert len(loss_of(by_key, num_classes=3).labels) == 64
    assert not isinstance(loss_of(recipe_with(by_key, ["loss.name=ntxent"]), 3), CrossBatchMemory)


def test_a_stopped_run_resumes_with_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "photos", people=5)
    recipe = quick_recipe(*MEMORY, "schedule.epochs=3")
    likewise.train(photos, tmp_path / "whole", recipe)
    steps = Trainer.step

    def step_then_stop(self: Trainer, *args: Any) -> Any:
        outcome = steps(self, *args)
        if self.step_number == 4:
            signal.raise_signal(signal.SIGINT)
        return outcome

    monkeypatch.setattr(Trainer, "step", step_then_stop)
    assert not likewise.train(photos, tmp_path / "part", recipe).finished
    held = {name.rpartition("/")[2]: value for name, value in checkpoint(tmp_path / "part").items()}
    assert int(held["filled"]) == 8  # the ring has gone round
    assert held["embeddings"].shape == (8, 32)
    assert (held["embeddings"] != 0).all(dim=1).all()
    monkeypatch.setattr(Trainer, "step", steps)
    torch.manual_seed(999)
    assert likewise.train(photos, tmp_path / "part", resume=True).finished
    assert_same_run(tmp_path / "whole", tmp_path / "part")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["loss.memory.size=64"], r"loss.memory.size=64.*cosface.*loss.name=supcon"),
        (
            ["loss.name=contrastive", "loss.miner={name: adjacent}", "loss.memory.size=64"],
            "loss.memory.size=64.*adjacent.*loss.miner=all",
        ),
        (["loss.name=supcon", "loss.memory.start=3"], "start=3: has no effect.*size=4096"),
        (
            ["loss.name=contrastive", "loss.miner={name: multi_similarity, epsilom: 1}"],
            "did you mean 'epsilon'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    settings: list[str], message: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        likewise.train(photos, tmp_path / "run", recipe_with(Recipe(), settings))
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_wrong_keys_are_named() -> None:
    for setting, message in (
        ("loss.memory.siez=3", "unknown key 'loss.memory.siez'; did you mean 'size'"),
        ("loss.memory=3", "loss.memory: keys are expected, as in loss.memory.size"),
        ("loss.memory.size=-1", "loss.memory.size: input should be greater than or equal to 0"),
    ):
        with pytest.raises(InputError, match=message):
            recipe_with(Recipe(), ["loss.name=supcon", setting])
