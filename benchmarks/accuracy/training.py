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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.accuracy.changes import changed
from benchmarks.accuracy.clock import Clock, Curve
from likewise.data.manifest import Manifest
from likewise.models.embedder import Embedder
from likewise.models.loading import load
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.run import train
from likewise.training.setup.choose import choose
from likewise.training.trainer import Trainer

Watched = Callable[[Trainer, int], None]


def default_recipe(manifest: Manifest, budget: float) -> Recipe:
    """What ``train`` does with these photos if nothing is said but the time."""
    return choose(manifest, budget_minutes=budget / 60).recipe


def train_default(
    manifest: Manifest, out: Path, budget: float, seed: int, settings: Sequence[str] = ()
) -> Embedder:
    """``likewise.train(manifest, out)`` with nothing said but the time and the seed.

    Args:
        manifest: the photos.
        out: a new folder of the run.
        budget: seconds.
        seed: of the run.
        settings: changes of the chosen recipe; all other keys stay as they are, unlike with
            ``train --set``.
    """
    began = time.monotonic()  # the choice is a part of the budget
    recipe = changed(default_recipe(manifest, budget), [*settings, f"training.seed={seed}"])
    return load(train(manifest, out, recipe, began=began).model)


def train_within(
    manifest: Manifest, out: Path, recipe: Recipe, budget: float, seed: int
) -> Embedder:
    """Train by a recipe, with as many steps as fit into the budget in seconds."""
    seeded = recipe_with(recipe, [f"training.seed={seed}"])
    return load(train(manifest, out, seeded, budget_minutes=budget / 60).model)


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
        Trainer.step = original  # type: ignore[method-assign]  # as it was


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
