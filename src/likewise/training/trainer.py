"""The loop: batches in, weights out, and at any moment a state from which it continues exactly."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from likewise.data.images import BadImage
from likewise.data.photos import Batch
from likewise.data.preprocess import Preprocess
from likewise.data.sampler import EpochSampler
from likewise.errors import LikewiseError
from likewise.losses.classes.shard import class_rows
from likewise.losses.loss import as_loss
from likewise.models.synchronised_norm import plain_norm
from likewise.training.checkpoints.reader import Checkpoint
from likewise.training.checkpoints.state import State
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.before_step import before_step
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.profile import StepProfile
from likewise.training.monitoring.throughput import Pace
from likewise.training.monitoring.watch import Watch
from likewise.training.recipe.recipe import Recipe
from likewise.training.step.ema import WeightAverage
from likewise.training.step.gradients import Gradients
from likewise.training.step.guards import NotFinite, StepGuard, Stopped
from likewise.training.step.norm_statistics import running_norms
from likewise.training.step.optimizer import build_optimizer
from likewise.training.step.schedule import lr_factor, margin_fraction
from likewise.training.stopping import Best, StopRequest

__all__ = ["Trainer"]

log = logging.getLogger(__name__)


class Trainer:
    """A network, a loss and an optimiser, moved step by step.

    Args:
        recipe: everything about the run.
        module: the network, float32 [B,C,H,W] → [B,D].
        loss: ``loss(embeddings, labels) -> scalar``; its own weights are trained with the network.
        preprocess: from pixels to the network's input.
        device: where all of it runs.
        processes: who train together, each with its share of a batch; alone if None.

    Attributes:
        gradients: how they are made of a batch.
        profile: measures the phases of a step; by default it does nothing.
        watch: what the epochs are watched for, if anything.
        rows: which photos the batch at hand holds, and ``names`` what they are called.

    Raises:
        InputError: a switch that this network, this device or another switch does not allow.
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
        self.agreement = self.processes.agreement
        self.gradients = Gradients(
            recipe, module, loss, preprocess, device, self.processes, class_rows(loss).keys()
        )
        self.module, self.loss = self.gradients.module, self.gradients.loss
        self.preprocess = preprocess
        self.device = device
        self.precision = self.gradients.precision
        self.optimizer = build_optimizer(recipe.optimizer, self.module, self.loss, recipe.head)
        self.average = (
            WeightAverage(self.module, recipe.training.ema) if recipe.training.ema else None
        )
        self.guard = StepGuard(self.module, self.loss, recipe.guards.skip, self.agreement)
        self.watch: Watch | None = None
        self.profile = StepProfile(0, device, Path())
        self.rows: Sequence[int] = ()
        self.before = 0  # photos of the batch at hand that belong to processes before this one
        self.names: Callable[[Sequence[int]], list[str]] = lambda rows: [f"row {r}" for r in rows]
        self.step_number = 0
        self.epoch = 0
        self.batch = 0  # the next one of this epoch
        self.total = [0.0, 0.0, 0.0]  # of this epoch: loss · photos, photos right, photos
        self.best = Best()
        self.bad: dict[str, BadImage] = {}

    def step(self, pixels: Tensor, labels: Tensor, steps_per_epoch: int) -> tuple[Tensor, Tensor]:
        """One step on uint8 [b,C,H,W] and int64 [b], this process's share of a batch of B.

        A step that comes upon a number that is not finite is not taken; its loss is told as NaN.

        Returns:
            The loss, and the photos right [B], of the whole batch.

        Raises:
            Stopped: too many such steps came in a row.
        """
        schedule, step = self.recipe.schedule, self.step_number
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_factor(schedule, step, steps_per_epoch)
        loss = as_loss(self.loss)  # the loss may be any module
        loss.set_margin_fraction(margin_fraction(schedule, step, steps_per_epoch))
        self.step_number += 1
        labels = labels.to(self.device, non_blocking=True)
        try:
            taken = self.gradients.of(pixels, labels, self.optimizer, self.guard, self.profile)
        except NotFinite as found:
            again = partial(self.gradients.embed_plainly, pixels)
            self.guard.skip(found, step, self._bad_photos(found), again)
            return torch.full((), torch.nan), torch.empty(0)
        scaler = self.precision.scaler
        with self.profile.phase("optimiser"):
            scaler.step(self.optimizer)
            scaler.update()
            # Under float16 the scaler leaves out a step whose gradient overflows.
            if self.average is not None and (
                not scaler.is_enabled() or bool(taken.norm.isfinite())
            ):
                self.average.update(self.module)
        self.guard.passed()
        self.guard.scale(scaler)
        hits = loss.hits
        if self.watch is not None:
            self.watch.step(
                taken.embeddings, labels, self._own(hits, labels), loss.compared, loss.paired
            )
        return taken.loss, torch.empty(0) if hits is None else hits

    def _own(self, hits: Tensor | None, labels: Tensor) -> Tensor | None:
        """Of the hits of the whole batch, those of this process's share."""
        if hits is None or self.processes.count == 1:
            return hits
        return hits[self.before : self.before + len(labels)]

    def _bad_photos(self, found: NotFinite) -> list[str]:
        """The photos of a step that is not finite, of all processes; all, if it is not known."""
        names = self.names(self.rows)
        if found.rows is not None:
            names = [names[row] for row in found.rows.nonzero()[:, 0].tolist() if row < len(names)]
            found.rows = None
        return [name for share in self.processes.gather(names) for name in share]

    def run_epoch(
        self,
        loader: Iterable[Batch],
        sampler: EpochSampler,
        advance: Callable[[int], None],
        stop: StopRequest,
        due: Callable[[], bool],
        checkpoint: Callable[[], None],
    ) -> dict[str, float] | None:
        """Train to the end of the epoch at hand; None if a stop was asked for, or a profile is had.

        Args:
            loader: this process's share of each batch.
            sampler: tells it where to begin.
            advance: is told how many photos of all processes went by.
            stop: by which a stop is asked for; if it is on any process, all stop after one step.
            due: whether it is time for a checkpoint; if it is on any process, all save.
            checkpoint: saves one.

        Raises:
            LikewiseError: steps are not finite, or no photo of the epoch can be read.
        """
        self.module.train()
        self.loss.train()
        self.gradients.freezing.apply(self.epoch)
        sampler.start_at(self.epoch, self.batch)
        pending: list[tuple[Tensor, Tensor, int]] = []
        pace = Pace(self.agreement, self.profile)
        for batch in pace.of(loader):
            self._note_bad(batch)
            word = before_step(self.processes, batch, self.preprocess, self.recipe, stop, due)
            if word.enough:
                self.rows, self.before = batch.rows, word.before
                self.gradients.shares = word.shares
                try:
                    value, hits = self.step(batch.pixels, batch.labels, len(sampler))
                except Stopped:
                    self.batch += 1
                    self._settle(pending)
                    checkpoint()  # of the last good step; a resumed run goes on behind the bad ones
                    raise
                if not self.guard.in_a_row:
                    pending.append((value, hits, word.photos))
                self.profile.end_step()
            self.batch += 1
            advance((len(batch.labels) + len(batch.bad)) * self.processes.count)
            # A GPU is asked for numbers only now and then: each question makes it wait.
            if self.device.type == "cpu" or len(pending) >= 20:
                self._settle(pending)
            if self.batch == len(sampler):
                continue  # what comes after an epoch saves by itself
            alone = self.processes.count == 1
            if word.stop or (alone and stop.signal is not None) or self.profile.enough:
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
        self.epoch, self.batch, self.total = self.epoch + 1, 0, [0.0, 0.0, 0.0]
        report = {"train/loss": loss / max(1.0, count)}
        if as_loss(self.loss).hits is not None:
            # By the nearest class, without the margin.
            report["train/accuracy"] = right / max(1.0, count)
        report["lr"] = self.optimizer.param_groups[0]["lr"]
        report["train/skipped_steps"] = float(self.guard.skipped)
        if self.watch is not None:
            report |= self.watch.end_epoch(self.epoch)
        left = (self.recipe.schedule.epochs - self.epoch) * len(sampler)
        return report | pace.report(left)

    def _settle(self, pending: list[tuple[Tensor, Tensor, int]]) -> None:
        """Add up what the last steps measured."""
        for value, hits, count in pending:
            new = (float(value) * count, float(hits.sum()), float(count))
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
        module.to(memory_format=torch.contiguous_format)  # as it will be loaded
        if self.average is not None:
            module.load_state_dict(self.average.weights)
        return module.eval()

    def moved_norms(self) -> list[str]:
        """The batch normalisations whose running statistics the last epoch has moved, by name."""
        held = self.gradients.freezing.norms_held(max(0, self.epoch - 1))
        return [name for name, norm in running_norms(self.module) if norm not in held]

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
