"""Validate the model that a run starts from, as it is and with its last layer whitened."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from likewise.data.photos import Readable
from likewise.models.embedder import Embedder
from likewise.training.selection.baseline import chosen_photos
from likewise.training.selection.start_model import StartModel
from likewise.training.selection.whitened import whitened
from likewise.training.trainer import Trainer
from likewise.training.validation import Validated

__all__ = ["MOST", "measure_start"]

log = logging.getLogger(__name__)
MOST = 5000  # training photos that the last layer is whitened by
CHECKED = 4


def measure_start(
    trainer: Trainer,
    folder: Path,
    photos: Readable,
    measure: Callable[[Embedder], Validated],
    keep: Callable[[nn.Module, Validated], None],
    say: Callable[[str], None],
) -> StartModel:
    """Validate and keep the start model; whitened, if that is clearly better.

    Args:
        trainer: before its first step.
        folder: of the run.
        photos: to train on.
        measure: validates an embedder on the held-out identities.
        keep: saves a network with the result of its validation.
        say: gets a line for each.
    """

    def tell(line: str) -> None:
        log.info("%s", line)
        say(line)

    model = trainer.recipe.model
    module = trainer.network()  # as it is: its batch norms keep their statistics
    embedder = Embedder(module, trainer.preprocess)
    found = measure(embedder)
    start = StartModel.of(folder, str(model.weights), found.chosen, found.metric)
    keep(module, found)
    tell(start.measured.lines()[0])
    if model.whiten is None:
        return start
    some = photos.manifest.take(chosen_photos(photos.manifest, trainer.recipe.training.seed, MOST))
    embedded = embedder.embed_rows(some, slice(0, len(some)), on_bad_image="skip")
    rows = np.asarray(embedded.rows, np.int64)
    few = torch.stack([trainer.preprocess.pixels(some.photo(int(row))) for row in rows[:CHECKED]])
    changed = whitened(
        module,
        trainer.preprocess.normalise(few).to(trainer.device),
        embedded.vectors * embedded.norms[:, None],
        some.labels[rows],
        model.whiten,
    )
    if changed is None:
        tell("the last layer cannot be whitened")
        return start
    found = measure(Embedder(changed, trainer.preprocess))
    if start.try_whitened(found.chosen):
        keep(changed, found)
    tell(start.measured.lines()[1])
    return start
