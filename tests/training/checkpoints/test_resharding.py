"""A checkpoint of two processes is resumed by one, then by four: the steps are the same."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from likewise.errors import InputError
from likewise.training.checkpoints.reader import process_file
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe
from likewise.training.trainer import Trainer
from tests.conftest import quick_recipe
from tests.gloo import together
from tests.training.distributed.test_many_processes import loss_of, network

CASES = {
    "dense": ("training.ema=0.9",),
    "sampled": ("head.sample=0.5",),
    "row moments": ("head.sample=0.5", "head.moments=row"),
    "sgd": ("head.sample=0.5", "optimizer.name=sgd"),
}


def recipe_of(name: str) -> Recipe:
    return quick_recipe("input.height=8", "input.width=8", "model.embedding_dim=6", *CASES[name])


def steps(name: str, rank: int, world: int, start: int, folder: Path) -> list[float]:
    """Three steps, from the checkpoint at ``start`` if it is not 0; then a checkpoint."""
    processes = Processes()
    processes.rank, processes.count = rank, world
    recipe = recipe_of(name)
    torch.manual_seed(1)
    module, loss = network(normalised=True), loss_of(recipe, processes)
    trainer = Trainer(
        recipe, module, loss, recipe.input.preprocess(), torch.device("cpu"), processes
    )
    trainer.module.train()
    checkpoints = Checkpoints(folder / name, processes)
    if start:
        with torch.no_grad():
            for parameter in [*module.parameters(), *loss.parameters()]:
                parameter.zero_()
        checkpoint = checkpoints.newest()
        assert checkpoint is not None
        trainer.state.restore(checkpoint)
    assert trainer.step_number == start
    values = []
    for number in range(start, start + 3):
        drawn = torch.Generator().manual_seed(number)
        pixels = torch.randint(256, (12, 3, 8, 8), generator=drawn).to(torch.uint8)
        labels = torch.randint(10, (12,), generator=drawn)
        own = slice(12 * rank // world, 12 * (rank + 1) // world)
        values.append(float(trainer.step(pixels[own], labels[own], 5)[0]))
    trainer.state.save(checkpoints, {})
    checkpoints.wait()
    return values


def work(rank: int, world: int, *, start: int, folder: Path) -> dict[str, list[float]]:
    return {name: steps(name, rank, world, start, folder) for name in CASES}


def test_another_world_size_resumes_to_the_same_steps(tmp_path: Path) -> None:
    expected = {
        name: [
            value
            for start in (0, 3, 6)
            for value in steps(name, 0, 1, start, tmp_path / "alone")
        ]
        for name in CASES
    }  # fmt: skip
    folder = tmp_path / "together"
    first = together(partial(work, start=0, folder=folder), 2, tmp_path)[0]
    second = work(0, 1, start=3, folder=folder)
    third = together(partial(work, start=6, folder=folder), 4, tmp_path)[0]
    for name in CASES:
        found = [*first[name], *second[name], *third[name]]
        torch.testing.assert_close(found, expected[name], rtol=1e-9, atol=1e-9, msg=name)
        files = {path.name for path in (folder / name / "step-00000009").iterdir()}
        assert {process_file(rank, 4) for rank in range(4)} < files
        assert not [file for file in files if "done" in file or "tmp" in file]


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    steps("dense", 0, 1, 0, tmp_path)
    checkpoint = Checkpoints(tmp_path / "dense", Processes()).newest()
    assert checkpoint is not None
    for setting, problem in (
        ("model.embedding_dim=7", "size mismatch"),
        ("loss.name=triplet", "of the loss: weight"),
    ):
        recipe = quick_recipe("input.height=8", "input.width=8", "training.ema=0.9", setting)
        dim = recipe.model.embedding_dim if "dim" in setting else 6
        module = network(normalised=True)
        module[5] = torch.nn.Linear(36, dim, dtype=torch.float64)
        loss = loss_of(recipe, Processes())
        trainer = Trainer(recipe, module, loss, recipe.input.preprocess(), torch.device("cpu"))
        with pytest.raises(InputError, match=f"of another recipe .*{problem}") as caught:
            trainer.state.restore(checkpoint)
        assert "\n" not in str(caught.value)
