"""A run whose epochs have seven steps against a bare loop over the same batches."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import nn

from benchmarks.measure import Result, row
from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.run import train
from likewise.training.setup.prepare import loader_of, prepare
from likewise.training.step.optimizer import build_optimizer

PEOPLE, EACH, SIZE = 50, 10, 56  # 500 photos: seven batches of 64
SHORT, LONG = 10, 40  # epochs


def _photos(folder: Path) -> Manifest:
    random = np.random.default_rng(0)
    for person in range(PEOPLE):
        (folder / f"person{person:02}").mkdir(parents=True)
        for take in range(EACH):
            pixels = random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"person{person:02}" / f"{take}.png")
    return read_manifest(folder)


def _recipe(workers: int | None, epochs: int) -> Recipe:
    return recipe_with(
        Recipe(),
        [
            "model.name=contrastnet", f"input.height={SIZE}", f"input.width={SIZE}",
            "batch.size=64", "data.val_identities=0", "training.device=cpu",
            f"data.workers={'null' if workers is None else workers}", f"schedule.epochs={epochs}",
        ],
    )  # fmt: skip


def _run(photos: Manifest, workers: int | None, epochs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        train(photos, Path(folder) / "run", _recipe(workers, epochs))
        return time.perf_counter() - start


def _bare(photos: Manifest, workers: int | None, epochs: int) -> float:
    """The same steps in plain PyTorch, from one stream of batches."""
    recipe, cpu = _recipe(workers, epochs), torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        parts = prepare(photos, recipe, Path(folder), cpu, Processes())
    made = parts.components
    module, loss, preprocess = made.module.train(), made.loss, made.preprocess
    optimizer = build_optimizer(recipe.optimizer, module, loss)
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    batches = loader_of(parts, recipe, cpu, Processes())
    start = time.perf_counter()
    try:
        for epoch in range(epochs):
            made.sampler.start_at(epoch, 0)
            for batch in batches:
                value = loss(module(preprocess.normalise(batch.pixels)), batch.labels)
                optimizer.zero_grad()
                value.backward()
                nn.utils.clip_grad_norm_(weights, recipe.optimizer.clip)
                optimizer.step()
                float(value.detach())
        return time.perf_counter() - start
    finally:
        batches.end()


def small_epochs_vs_bare(rounds: int, workers: int | None, *, quick: bool = False) -> Result:
    """What an epoch of seven steps takes in a run, over the bare loop; both without their start.

    Args:
        rounds: of both, in turn.
        workers: that decode; None: one per core.
        quick: a quarter of the epochs.
    """
    short, long = (SHORT // 4, LONG // 4) if quick else (SHORT, LONG)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        photos = _photos(Path(folder))
        for _ in range(rounds):
            sides = [run(photos, workers, long) - run(photos, workers, short)
                     for run in (_run, _bare)]  # fmt: skip
            ratios.append(sides[0] / sides[1])
    value = median(ratios)
    name = "training.small_epochs_vs_bare" + ("" if workers == 0 else "_workers")
    return row(name, value, "x", "<= 1.05", value <= 1.05)
