"""Train with Likewise for so many seconds: by default, or with settings changed.

All programs here train through these functions, so that what "by default" means stands in one
place.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.accuracy.clock import Clock, Curve
from likewise.data.manifest import Manifest
from likewise.data.photos import Photos
from likewise.models.embedder import Embedder
from likewise.models.loading import load
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.recipe.sections import Training
from likewise.training.run import train
from likewise.training.setup import choose
from likewise.training.setup.build import batches_of, loss_of, network_of, preprocess_of
from likewise.training.setup.components import split_of
from likewise.training.trainer import Trainer

Watched = Callable[[Trainer, int], None]


def default_recipe(manifest: Manifest, budget: float) -> Recipe:
    """What ``train`` does with these photos if nothing is said but the time."""
    chooser = getattr(choose, "choose", None)
    if chooser is None:
        return Recipe()
    chosen: Recipe = chooser(manifest, budget=budget).recipe
    return chosen


def train_default(
    manifest: Manifest, out: Path, budget: float, seed: int, settings: Sequence[str] = ()
) -> Embedder:
    """``likewise.train(manifest, out)`` with nothing said but the time and the seed.

    Args:
        manifest: the photos.
        out: a new folder of the run.
        budget: seconds.
        seed: of the run.
        settings: changes of the recipe, as by ``--set``.
    """
    recipe = recipe_with(default_recipe(manifest, budget), settings)
    return train_within(manifest, out, recipe, budget, seed)


def train_within(
    manifest: Manifest, out: Path, recipe: Recipe, budget: float, seed: int
) -> Embedder:
    """Train by a recipe, with as many steps as fit into the budget in seconds."""
    recipe = recipe_with(recipe, [f"training.seed={seed}"])
    if "budget_minutes" in Training.model_fields:
        recipe = recipe_with(recipe, [f"training.budget_minutes={budget / 60:.6g}"])
    else:
        fit = _epochs_within(budget, manifest, recipe)
        short = ["schedule.warmup_epochs=0", "schedule.margin_warmup_epochs=0"] if fit < 4 else []
        recipe = recipe_with(recipe, [f"schedule.epochs={fit}", *short])
    return load(train(manifest, out, recipe).model)


def _epochs_within(budget: float, manifest: Manifest, recipe: Recipe) -> int:
    """The number of epochs that fit, at least one, by the time of three steps."""
    training, _ = split_of(manifest, recipe)
    plan, preprocess = batches_of(recipe, training.labels), preprocess_of(recipe, None)
    batches = list(plan.batches(0))
    augment = recipe.augment.transform(channels=preprocess.channels)
    photos = Photos(training, preprocess, augment)
    loss = loss_of(recipe, len(training.identities))
    trainer = Trainer(recipe, network_of(recipe), loss, preprocess, torch.device("cpu"))
    spent = []
    for _ in range(3):
        begun = time.perf_counter()
        samples: list[Any] = [photos[int(row), 0] for row in batches[0]]
        pixels = torch.stack([sample[0] for sample in samples])
        trainer.step(pixels, torch.tensor([sample[1] for sample in samples]), len(batches))
        spent.append(time.perf_counter() - begun)
    return max(1, int(budget / (median(spent) * len(batches))))


@contextmanager
def each_step(watched: Watched) -> Iterator[None]:
    """After each step of the trainings in this block, call a function with trainer and photos."""
    original = Trainer.step

    def step(
        self: Trainer, pixels: Tensor, labels: Tensor, *more: Any, **named: Any
    ) -> tuple[Tensor, Tensor]:
        found = original(self, pixels, labels, *more, **named)
        watched(self, len(labels))
        return found

    Trainer.step = step  # type: ignore[method-assign]  # taken back below
    try:
        yield
    finally:
        Trainer.step = original  # type: ignore[method-assign]


@contextmanager
def temporary_run() -> Iterator[Path]:
    """A folder for a run whose model is not kept; warnings of short runs are silenced."""
    logging.getLogger("likewise").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "run"


def in_order(embedder: Embedder, manifest: Manifest, *, flip: bool = False) -> NDArray[np.float32]:
    """The embeddings of all photos, in the order of the manifest, [N,D]."""
    embeddings, _ = embedder.embed_manifest(manifest, flip=flip)
    rows = {name: row for row, name in enumerate(embeddings.names)}
    found: NDArray[np.float32] = embeddings.vectors[[rows[name] for name in manifest.names]]
    return found


class WatchedTraining:
    """The accuracy of a training of Likewise at set times.

    Args:
        clock: of the training.
        marks: CPU seconds.
        judge: the accuracy of an embedder.
    """

    def __init__(
        self, clock: Clock, marks: Sequence[float], judge: Callable[[Embedder], float]
    ) -> None:
        self.steps = self.photos = 0
        self._judge = judge
        self._trainer: Trainer | None = None
        self.curve = Curve(clock, marks, self._accuracy)

    def __call__(self, trainer: Trainer, photos: int) -> None:
        """After a step."""
        self.steps, self.photos = self.steps + 1, self.photos + photos
        self._trainer = trainer
        self.curve.step()

    def _accuracy(self) -> float:
        assert self._trainer is not None  # a step came before
        return self._judge(Embedder(self._trainer.network(), self._trainer.preprocess))
