"""One run: a loss trained from scratch on a fold and evaluated on held-out identities."""

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
from likewise.lab.compare.metrics import compute_metrics, sampled_auc
from likewise.lab.compare.peak_memory import peak_tensor_bytes
from likewise.lab.compare.photo_set import PhotoSet, ViewBatches
from likewise.lab.compare.record import CurvePoint, Key, Record
from likewise.machine import pick_device
from likewise.models.embedder import Embedder
from likewise.training.recipe.recipe import LossChoice, Recipe
from likewise.training.setup.build import (
    batches_of,
    loss_of,
    network_of,
    preprocess_of,
    seed_everything,
)
from likewise.training.setup.initial_weights import read_initial_weights
from likewise.training.setup.network_choice import chosen_backbone
from likewise.training.stopping import StopRequest
from likewise.training.trainer import Trainer

__all__ = ["SingleRun", "recipe_of"]

CURVE_POINTS = 10
Rows = NDArray[np.int64]


def recipe_of(shared: Recipe, choice: Choice, seed: int) -> Recipe:
    """The shared recipe with the hyperparameters of one choice, and a seed."""
    return shared.model_copy(update={
        "loss": LossChoice(name=choice.loss, **choice.parameters),
        "optimizer": shared.optimizer.model_copy(update={"lr": choice.lr}),
        "training": shared.training.model_copy(update={"seed": seed}),
    })  # fmt: skip


@dataclass(frozen=True)
class SingleRun:
    """One run of a comparison.

    Args:
        key: of the run.
        choice: the loss and its hyperparameters.
        recipe: shared by all runs.
        photos: all photos.
        training: rows of the photos to train on.
        unseen: rows of the photos to evaluate on, of other identities.
        seed: of the initial weights and the batches, the same for every loss.
    """

    key: Key
    choice: Choice
    recipe: Recipe
    photos: PhotoSet
    training: Rows
    unseen: Rows
    seed: int

    def complete(self, advance: Callable[[int], None]) -> Record:
        """Train and evaluate; a failure becomes a record too, so that the other runs continue."""
        try:
            return self._trained(advance)
        except LikewiseError as error:
            reason = str(error)
        except MemoryError:
            reason = "out of memory"
        except Exception as error:  # a failing loss must not stop the others
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
        points = CURVE_POINTS if final else 1
        kept = {round(epochs * (n + 1) / points) for n in range(points)}
        curve, speeds = [], []
        for epoch in range(1, epochs + 1):
            report = trainer.run_epoch(
                batches, sampler, advance, StopRequest(), lambda: False, lambda: None
            )
            assert report is not None  # no stop was requested
            speeds.append(report["images_per_s"])
            if epoch in kept:
                vectors = self._embed(trainer)
                auc = sampled_auc(vectors, labels)
                curve.append(CurvePoint(epoch, report["train/loss"], auc))
        return Record(
            self.key,
            self.choice,
            epochs,
            measured=compute_metrics(vectors, labels),
            curve=tuple(curve),
            images_per_s=median(speeds),
            step_bytes=step_bytes,
        )

    def parts(self) -> tuple[Trainer, EpochSampler, ViewBatches]:
        """The untrained trainer, the sampler and the batches; all randomness is from the seed."""
        recipe = recipe_of(self.recipe, self.choice, self.seed)
        _, classes = np.unique(self.photos.labels[self.training], return_inverse=True)
        classes = classes.astype(np.int64)
        # The network is built first, so that its initial weights do not depend on the loss.
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
        """Peak tensor memory of the first step, on a network that is then discarded."""
        trainer, sampler, batches = self.parts()
        batch = next(iter(batches))

        def step() -> None:
            trainer.step(batch.pixels, batch.labels, len(sampler))

        return peak_tensor_bytes(step)

    def _embed(self, trainer: Trainer) -> NDArray[np.float32]:
        backbone = chosen_backbone(self.recipe)
        embedder = Embedder(trainer.network(), trainer.preprocess, backbone)
        return embedder.embed_pixels(self.photos.pixels[self.unseen], batch_size=256)
