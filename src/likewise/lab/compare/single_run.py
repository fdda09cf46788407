"""One run: a loss trained from nothing on a fold, and measured on identities it has not seen."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from likewise.data.sampler import EpochSampler
from likewise.errors import LikewiseError
from likewise.lab.compare.candidates import Choice
from likewise.lab.compare.measure import auc_of, measure
from likewise.lab.compare.memory import peak_tensor_bytes
from likewise.lab.compare.photo_set import PhotoSet, ViewBatches
from likewise.lab.compare.record import CurvePoint, Key, Record
from likewise.machine import pick_device
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone
from likewise.training.recipe.recipe import LossChoice, Recipe
from likewise.training.setup.build import (
    batches_of,
    loss_of,
    network_of,
    preprocess_of,
    seed_everything,
)
from likewise.training.setup.initial_weights import read_initial_weights
from likewise.training.stopping import StopRequest
from likewise.training.trainer import Trainer

__all__ = ["SingleRun", "recipe_of"]

POINTS = 10  # of a learning curve
Rows = NDArray[np.int64]


def recipe_of(shared: Recipe, choice: Choice, seed: int) -> Recipe:
    """The shared recipe with one point of a search space, and a seed."""
    return shared.model_copy(update={
        "loss": LossChoice(name=choice.loss, **choice.parameters),
        "optimizer": shared.optimizer.model_copy(update={"lr": choice.lr}),
        "training": shared.training.model_copy(update={"seed": seed}),
    })  # fmt: skip


@dataclass(frozen=True)
class SingleRun:
    """Everything that one run needs.

    Args:
        key: which it is.
        choice: the loss, and what it is trained with.
        recipe: what all runs share.
        photos: all of them.
        training: rows to train on.
        unseen: rows of other identities, to measure on.
        seed: draws the first weights and the batches, the same for every loss.
    """

    key: Key
    choice: Choice
    recipe: Recipe
    photos: PhotoSet
    training: Rows
    unseen: Rows
    seed: int

    def complete(self, advance: Callable[[int], None]) -> Record:
        """Train and measure; a failure becomes a record too, so that no other run is lost."""
        try:
            return self._trained(advance)
        except LikewiseError as error:
            reason = str(error)
        except MemoryError:
            reason = "out of memory"
        except Exception as error:  # whatever a loss does, the other losses still have their runs
            logging.getLogger(__name__).info("%s failed", self.key, exc_info=True)
            out_of_memory = "out of memory" in str(error) or "can't allocate" in str(error)
            found = " ".join(str(error).split())
            reason = "out of memory" if out_of_memory else f"{type(error).__name__}: {found}"
        return Record(self.key, self.choice, self.recipe.schedule.epochs, error=reason)

    def _trained(self, advance: Callable[[int], None]) -> Record:
        final = self.key.stage == "run"
        step_bytes = self._step_bytes() if final else None
        trainer, sampler, batches = self.parts()
        labels = self.photos.labels[self.unseen]
        epochs = self.recipe.schedule.epochs
        kept = {round(epochs * (n + 1) / POINTS) for n in range(POINTS)} if final else {epochs}
        curve, speeds = [], []
        for epoch in range(1, epochs + 1):
            report = trainer.run_epoch(
                batches, sampler, advance, StopRequest(), lambda: False, lambda: None
            )
            assert report is not None  # no one asks it to stop
            speeds.append(report["images_per_s"])
            if epoch in kept:
                vectors = self._embed(trainer)
                curve.append(CurvePoint(epoch, report["train/loss"], auc_of(vectors, labels)))
        return Record(
            self.key,
            self.choice,
            epochs,
            measured=measure(vectors, labels),
            curve=tuple(curve),
            images_per_s=median(speeds),
            step_bytes=step_bytes,
        )

    def parts(self) -> tuple[Trainer, EpochSampler, ViewBatches]:
        """The trainer as it begins, the sampler and the batches, drawn by the seed alone."""
        recipe = recipe_of(self.recipe, self.choice, self.seed)
        _, classes = np.unique(self.photos.labels[self.training], return_inverse=True)
        classes = classes.astype(np.int64)
        # The network comes first: its first weights do not depend on what the loss draws.
        seed_everything(self.seed)
        start, device = read_initial_weights(recipe), pick_device(recipe.training.device)
        preprocess = preprocess_of(recipe, start)
        trainer = Trainer(
            recipe,
            network_of(recipe, start),
            loss_of(recipe, int(classes.max()) + 1),
            preprocess,
            device,
        )
        sampler = EpochSampler(batches_of(recipe, classes), self.seed)
        return trainer, sampler, ViewBatches(self.photos, self.training, classes, sampler)

    def _step_bytes(self) -> int:
        """Of the first step, taken with a network that is then forgotten."""
        trainer, sampler, batches = self.parts()
        batch = next(iter(batches))

        def step() -> None:
            trainer.step(batch.pixels, batch.labels, len(sampler))

        return peak_tensor_bytes(step)

    def _embed(self, trainer: Trainer) -> NDArray[np.float32]:
        model = self.recipe.model
        backbone = Backbone(model.name, model.embedding_dim, model.dropout)
        embedder = Embedder(trainer.network(), trainer.preprocess, backbone)
        return embedder.embed_pixels(self.photos.pixels[self.unseen], batch_size=256)
