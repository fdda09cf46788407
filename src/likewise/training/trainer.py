"""The loop: batches in, weights out, and at any moment a state from which it continues exactly."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from likewise.data.images import BadImage
from likewise.data.photos import Batch
from likewise.data.preprocess import Preprocess
from likewise.data.sampler import EpochSampler
from likewise.errors import LikewiseError
from likewise.losses.shard import class_rows
from likewise.models.synchronised_norm import plain_norm
from likewise.training.averaging import WeightAverage
from likewise.training.checkpoint import Checkpoint
from likewise.training.checkpoints import Checkpoints
from likewise.training.optimizer import build_optimizer
from likewise.training.precision import Precision
from likewise.training.processes import Processes
from likewise.training.recipe import Recipe
from likewise.training.replicas import Replicas
from likewise.training.schedule import lr_factor, margin_fraction
from likewise.training.state import State
from likewise.training.stopping import Best, StopRequest

__all__ = ["Trainer"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Word:
    """What the processes agreed on before a step.

    Args:
        photos: of the batch, on all processes.
        enough: whether they make a step: normalisation needs two.
        stop: whether any process was asked to stop.
        save: whether it is time for a checkpoint.
    """

    photos: int
    enough: bool
    stop: bool
    save: bool


class Trainer:
    """A network, a loss and an optimiser, moved step by step.

    Args:
        recipe: everything about the run.
        module: the network, float32 [B,C,H,W] → [B,D].
        loss: ``loss(embeddings, labels) -> scalar``; its own weights are trained with the network.
        preprocess: from pixels to the network's input.
        device: where all of it runs.
        processes: who train together, each with its share of a batch; alone if None.
    """

    def __init__(
        self,
        recipe: Recipe,
        module: nn.Module,
        loss: nn.Module,
        preprocess: Preprocess,
        device: torch.device,
        processes: Processes | None = None,
    ) -> None:
        self.recipe = recipe
        self.processes = processes or Processes()
        self.module = module.to(device)
        self.loss = loss.to(device)
        self.preprocess = preprocess
        self.device = device
        self.precision = Precision(recipe.training.precision, device)
        self.optimizer = build_optimizer(recipe.optimizer, self.module, self.loss)
        self.average = (
            WeightAverage(self.module, recipe.training.ema) if recipe.training.ema else None
        )
        self.replicas = Replicas(
            self.processes,
            self.module,
            self.loss,
            split=frozenset(class_rows(self.loss)),
            sync_norm=recipe.training.sync_norm,
        )
        self.step_number = 0
        self.epoch = 0
        self.batch = 0  # the next one of this epoch
        self.total = [0.0, 0.0, 0.0]  # of this epoch: loss · photos, photos right, photos
        self.best = Best()
        self.bad: dict[str, BadImage] = {}

    def step(self, pixels: Tensor, labels: Tensor, steps_per_epoch: int) -> tuple[Tensor, Tensor]:
        """One step on uint8 [b,C,H,W] and int64 [b], this process's share of a batch of B.

        Returns:
            The loss, and the photos right [B], of the whole batch.
        """
        schedule, step = self.recipe.schedule, self.step_number
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_factor(schedule, step, steps_per_epoch)
        set_margin: Callable[[float], None] | None = getattr(self.loss, "set_margin_fraction", None)
        if set_margin is not None:
            set_margin(margin_fraction(schedule, step, steps_per_epoch))
        images = self.preprocess.normalise(pixels.to(self.device, non_blocking=True))
        labels = labels.to(self.device, non_blocking=True)
        with self.precision.autocast():
            embeddings = self.replicas.network(images)
        if embeddings.dtype != torch.float64:
            embeddings = embeddings.float()
        value = self.replicas.loss(embeddings, labels)
        scaler = self.precision.scaler
        self.optimizer.zero_grad(set_to_none=True)
        scaler.scale(value).backward()
        self._move_weights()
        if self.average is not None:
            self.average.update(self.module)
        self.step_number += 1
        hits = getattr(self.loss, "hits", None)
        return value.detach(), torch.empty(0) if hits is None else hits

    def _move_weights(self) -> None:
        """Agree on the gradients, cut them, and let the optimiser take its step."""
        scaler = self.precision.scaler
        self.replicas.average_loss_gradients()
        if self.recipe.optimizer.clip or scaler.is_enabled():
            scaler.unscale_(self.optimizer)
            self.replicas.agree_on_overflow(scaler, self.optimizer)
        if self.recipe.optimizer.clip:
            weights = [p for group in self.optimizer.param_groups for p in group["params"]]
            self.replicas.clip(weights, self.recipe.optimizer.clip)
        scaler.step(self.optimizer)
        scaler.update()

    def run_epoch(
        self,
        loader: Iterable[Batch],
        sampler: EpochSampler,
        advance: Callable[[int], None],
        stop: StopRequest,
        due: Callable[[], bool],
        checkpoint: Callable[[], None],
    ) -> dict[str, float] | None:
        """Train to the end of the epoch at hand; None if a stop was asked for.

        Args:
            loader: this process's share of each batch.
            sampler: tells it where to begin.
            advance: is told how many photos of all processes went by.
            stop: by which a stop is asked for; if it is on any process, all stop after one step.
            due: whether it is time for a checkpoint; if it is on any process, all save.
            checkpoint: saves one.

        Raises:
            LikewiseError: the loss is no longer finite, or no photo of the epoch can be read.
        """
        self.module.train()
        self.loss.train()
        sampler.start_at(self.epoch, self.batch)
        started = time.monotonic()
        before = self.total[2]  # of an interrupted attempt at this epoch
        pending: list[tuple[Tensor, Tensor, int]] = []
        for batch in loader:
            self._note_bad(batch)
            word = self._agree(batch, stop, due)
            if word.enough:
                value, hits = self.step(batch.pixels, batch.labels, len(sampler))
                pending.append((value, hits, word.photos))
            self.batch += 1
            advance((len(batch.labels) + len(batch.bad)) * self.processes.count)
            # A GPU is asked for numbers only now and then: each question makes it wait.
            if self.device.type == "cpu" or len(pending) >= 20:
                self._settle(pending)
            if self.batch == len(sampler):
                break  # what comes after an epoch saves by itself
            alone = self.processes.count == 1
            if word.stop or (alone and stop.signal is not None):
                self._settle(pending)
                return None
            if word.save or (alone and due()):
                self._settle(pending)
                checkpoint()
        self._settle(pending)
        loss, right, count = self.total
        if count == 0 and self.step_number == 0:
            raise LikewiseError(
                "training: no batch had two photos that can be read "
                f"({len(self.bad)} broken); see train.log"
            )
        seconds = time.monotonic() - started
        report = {"train/loss": loss / max(1.0, count), "images_per_s": (count - before) / seconds}
        if getattr(self.loss, "hits", None) is not None:
            report["train/accuracy"] = right / max(
                1.0, count
            )  # by the nearest class, without the margin
        report["lr"] = self.optimizer.param_groups[0]["lr"]
        self.epoch, self.batch, self.total = self.epoch + 1, 0, [0.0, 0.0, 0.0]
        return report

    def _agree(self, batch: Batch, stop: StopRequest, due: Callable[[], bool]) -> _Word:
        """Exchange a few numbers with the other processes, so that all do the same.

        Alone, a stop and a checkpoint are looked at after the step instead.
        """
        photos = len(batch.labels)
        if self.processes.count == 1:
            return _Word(photos, photos > 1, False, False)
        if photos == 0:  # the others may have some: this one takes part with none
            size = self.preprocess
            batch.pixels = batch.pixels.new_empty(0, size.channels, size.height, size.width)
        lone = not self.recipe.training.sync_norm and photos < 2
        total, lonely, stopped, saved = self.processes.total(
            [photos, lone, stop.signal is not None, due()]
        )
        return _Word(int(total), total > 1 and lonely == 0, stopped > 0, saved > 0)

    def _settle(self, pending: list[tuple[Tensor, Tensor, int]]) -> None:
        """Add up what the last steps measured, and refuse to go on if it is not finite."""
        for value, hits, count in pending:
            number = float(value)
            if not torch.isfinite(value):
                raise LikewiseError(
                    f"training: the loss is {number} near step {self.step_number}; the last "
                    "checkpoint is good. Try a lower optimizer.lr, or training.precision=float32"
                )
            new = (number * count, float(hits.sum()), float(count))
            self.total = [old + more for old, more in zip(self.total, new, strict=True)]
        pending.clear()

    def _note_bad(self, batch: Batch) -> None:
        for bad in batch.bad:
            if self.recipe.data.on_bad_image == "refuse":
                raise bad
            if bad.name not in self.bad:
                log.info("left out: %s", bad)
                self.bad[bad.name] = bad

    def network(self) -> nn.Module:
        """A copy of the network for evaluation, with the averaged weights where there are any."""
        module = plain_norm(copy.deepcopy(self.module))
        if self.average is not None:
            module.load_state_dict(self.average.weights)
        return module.eval()

    def save(self, checkpoints: Checkpoints, values: dict[str, Any]) -> None:
        """Begin a checkpoint; ``values`` are the run's own facts.

        Raises:
            LikewiseError: the one before could not be written: the disk is full.
        """
        State(self).save(checkpoints, values)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from what ``save`` wrote, with any number of processes.

        Raises:
            InputError: it is of another network or loss.
        """
        State(self).restore(checkpoint)
