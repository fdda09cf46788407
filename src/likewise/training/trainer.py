"""The training loop: it trains epoch by epoch, and its state can be saved after any step."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from likewise.data.photos import Batch
from likewise.data.preprocess import Preprocess
from likewise.data.sampler import EpochSampler
from likewise.errors import LikewiseError
from likewise.losses.classes.shard import class_rows
from likewise.losses.loss import as_loss
from likewise.models.backbones.synchronised_norm import plain_norm
from likewise.training.checkpoints.state import TrainingState
from likewise.training.distributed.processes import Processes
from likewise.training.distributed.step_sync import sync_step
from likewise.training.epoch_sums import EpochSums
from likewise.training.monitoring.profile import StepProfile
from likewise.training.monitoring.throughput import Throughput
from likewise.training.monitoring.watch import Watch
from likewise.training.recipe.recipe import Recipe
from likewise.training.recipe.validation_metric import Metric
from likewise.training.step.ema import WeightAverage
from likewise.training.step.gradients import Gradients
from likewise.training.step.guards import NotFinite, StepGuard, Stopped
from likewise.training.step.norm_statistics import running_norms
from likewise.training.step.optimizer import build_optimizer
from likewise.training.step.schedule import lr_factor, margin_fraction, total_steps
from likewise.training.step.teacher import Distilling
from likewise.training.stopping import Best, StopRequest

__all__ = ["Trainer"]

log = logging.getLogger(__name__)
PhotoNames = Callable[[Sequence[int]], list[str]]


def _row_numbers(rows: Sequence[int]) -> list[str]:
    return [f"row {row}" for row in rows]


class Trainer:
    """Trains a network and its loss.

    Args:
        recipe: all settings of the run; its length may change between two steps.
        module: the network, float32 [B,C,H,W] → [B,D].
        loss: ``loss(embeddings, labels) -> scalar``; its own weights are trained with the network.
        preprocess: from pixels to the network's input.
        device: of the network and the loss.
        processes: that train together, each with its share of a batch; None: a single process.
        watch: monitors the epochs, if given.
        profile: measures the phases of a step; None: nothing is measured.

    Attributes:
        gradients: computes the gradients of a batch.
        state: the weights, moments and counters, which a checkpoint saves and restores.
        rows: the rows of the photos in the current batch.
        before_step: called before each step of an epoch, if it is set.
        after_step: called after it with its loss, [].

    Raises:
        InputError: a setting that the network, the device or another setting does not allow.
    """

    def __init__(
        self,
        recipe: Recipe,
        module: nn.Module,
        loss: nn.Module,
        preprocess: Preprocess,
        device: torch.device,
        processes: Processes | None = None,
        *,
        watch: Watch | None = None,
        profile: StepProfile | None = None,
    ) -> None:
        self.recipe = recipe
        self.processes = processes or Processes()
        self.gradients = Gradients(
            recipe, module, loss, preprocess, device, self.processes, class_rows(loss).keys()
        )
        self.module, self.loss = self.gradients.module, self.gradients.loss
        self.preprocess = preprocess
        self.device = device
        self.precision = self.gradients.precision
        self.optimizer = build_optimizer(recipe.optimizer, self.module, self.loss, recipe.head)
        ema = recipe.training.ema
        self.average = WeightAverage(self.module, ema) if ema else None
        self.guard = StepGuard(self.module, self.loss, recipe.guards.skip, self.processes)
        self.watch = watch
        self.profile = profile or StepProfile(0, device, Path())
        self.rows: Sequence[int] = ()
        self.before_step: Callable[[], None] | None = None
        self.after_step: Callable[[Tensor], None] | None = None
        self._names: PhotoNames = _row_numbers
        self._before = 0  # photos of the current batch that belong to lower ranks
        metric = Metric.of(recipe.training.metric)
        self.state = TrainingState(
            recipe,
            self.module,
            self.loss,
            self.optimizer,
            self.precision.scaler,
            self.guard,
            self.processes,
            self.average,
            watch,
            best=Best(measure=metric.name, lower_is_better=metric.lower_is_better),
        )

    @property
    def step_number(self) -> int:
        """The number of the next step, from 0."""
        return self.state.step

    @property
    def epoch(self) -> int:
        """The epochs completed."""
        return self.state.epoch

    @property
    def best(self) -> Best:
        """The best validation so far."""
        return self.state.best

    def step(self, pixels: Tensor, labels: Tensor, steps_per_epoch: int) -> tuple[Tensor, Tensor]:
        """One step on uint8 [b,C,H,W] and int64 [b], this process's share of a batch of B.

        A step with a number that is not finite is skipped; its loss is returned as NaN.

        Returns:
            The loss of the whole batch, and whether each photo is classified correctly, [B].

        Raises:
            Stopped: too many steps in a row were skipped.
        """
        schedule, step = self.recipe.schedule, self.state.step
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_factor(schedule, step, steps_per_epoch)
        loss = as_loss(self.loss)  # the loss may be any module
        loss.set_margin_fraction(margin_fraction(schedule, step, steps_per_epoch))
        self.state.step += 1
        labels = labels.to(self.device, non_blocking=True)
        if isinstance(self.loss, Distilling):
            self.loss.rows = self.rows
        try:
            result = self.gradients.compute(
                pixels, labels, self.optimizer, self.guard, self.profile
            )
        except NotFinite as found:
            again = partial(self.gradients.embed_uncompiled, pixels)
            self.guard.skip(found, step, self._bad_photos(found), again)
            return torch.full((), torch.nan), torch.empty(0)
        scaler = self.precision.scaler
        with self.profile.phase("optimiser"):
            scaler.step(self.optimizer)
            scaler.update()
            # Under float16 the scaler skips a step whose gradient overflows.
            if self.average is not None and (
                not scaler.is_enabled() or bool(result.norm.isfinite())
            ):
                self.average.update(self.module)
        self.guard.accept()
        self.guard.check_scale(scaler)
        hits = loss.hits
        if self.watch is not None:
            self.watch.step(
                result.embeddings, labels, self._own(hits, labels), loss.compared, loss.paired
            )
        return result.loss, torch.empty(0) if hits is None else hits

    def _own(self, hits: Tensor | None, labels: Tensor) -> Tensor | None:
        """The hits of this process's share of the batch."""
        if hits is None or self.processes.count == 1:
            return hits
        return hits[self._before : self._before + len(labels)]

    def _bad_photos(self, found: NotFinite) -> list[str]:
        """The names of the photos of a skipped step, of all ranks; of all photos if not known."""
        names = self._names(self.rows)
        if found.rows is not None:
            names = [names[row] for row in found.rows.nonzero()[:, 0].tolist() if row < len(names)]
            found.rows = None
        return [name for share in self.processes.all_gather_object(names) for name in share]

    def run_epoch(
        self,
        loader: Iterable[Batch],
        sampler: EpochSampler,
        advance: Callable[[int], None],
        stop: StopRequest,
        due: Callable[[], bool],
        checkpoint: Callable[[], None],
        names: PhotoNames = _row_numbers,
    ) -> dict[str, float] | None:
        """Train to the end of the current epoch.

        Args:
            loader: this process's share of each batch.
            sampler: of the loader; it is set to the next batch of the epoch.
            advance: called with the number of photos that all ranks have processed.
            stop: requests a stop; if any rank has the request, all stop after the same step.
            due: whether it is time for a checkpoint; if it is on any rank, all save.
            checkpoint: saves a checkpoint.
            names: the names of photos by their rows, for messages.

        Returns:
            The numbers to report; None if a stop was requested, or the profile is complete.

        Raises:
            LikewiseError: too many steps in a row are not finite, or no photo can be read.
        """
        state = self.state
        self._names = names
        self.module.train()
        self.loss.train()
        self.gradients.freezing.apply(state.epoch)
        sampler.start_at(state.epoch, state.batch)
        left = total_steps(self.recipe.schedule, len(sampler)) - state.epoch * len(sampler)
        whole = min(len(sampler), left)  # batches of this epoch
        sums = EpochSums(state, self.device)
        throughput = Throughput(self.processes, self.profile)
        for batch in throughput.batches_of(loader, whole - state.batch):
            self._note_bad(batch)
            sync = sync_step(self.processes, batch, self.preprocess, self.recipe, stop, due)
            if sync.enough:
                self.rows, self._before = batch.rows, sync.offset
                self.gradients.shares = sync.shares
                if self.before_step is not None:
                    self.before_step()
                try:
                    value, hits = self.step(batch.pixels, batch.labels, len(sampler))
                except Stopped:
                    state.batch += 1
                    sums.settle()
                    checkpoint()  # of the last good step; resuming skips the bad ones
                    raise
                if not self.guard.in_a_row:
                    sums.add(value, hits, sync.photos)
                self.profile.end_step()
                if self.after_step is not None:
                    self.after_step(value)
            state.batch += 1
            advance((len(batch.labels) + len(batch.bad)) * self.processes.count)
            if state.batch == whole:
                continue  # the caller saves after the epoch
            alone = self.processes.count == 1
            if sync.stop or (alone and stop.signal is not None) or self.profile.enough:
                sums.settle()
                return None
            if sync.save or (alone and due()):
                sums.settle()
                checkpoint()
        sums.settle()
        if state.sums[2] == 0 and state.step == 0:
            raise LikewiseError(
                "training: no batch had two photos that can be read "
                f"({len(state.bad)} broken); see train.log"
            )
        state.epoch, state.batch = state.epoch + 1, 0
        report = sums.report(accuracy=as_loss(self.loss).hits is not None)
        report["lr"] = self.optimizer.param_groups[0]["lr"]
        report["train/skipped_steps"] = float(self.guard.skipped)
        if self.watch is not None:
            report |= self.watch.end_epoch(state.epoch)
        return report | throughput.report(left - whole)

    def _note_bad(self, batch: Batch) -> None:
        for bad in batch.bad:
            if self.recipe.data.on_bad_image == "refuse":
                raise bad
            if bad.name not in self.state.bad:
                log.info("left out: %s", bad)
                self.state.bad[bad.name] = bad

    def network(self) -> nn.Module:
        """A copy of the network for evaluation, with the EMA of the weights if there is one."""
        module = plain_norm(copy.deepcopy(self.module))
        module.to(memory_format=torch.contiguous_format)  # the layout of a loaded model
        if self.average is not None:
            module.load_state_dict(self.average.weights)
        return module.eval()

    def moved_norms(self) -> list[str]:
        """The names of the batch norms whose running statistics changed in the last epoch."""
        held = self.gradients.freezing.frozen_norms(max(0, self.state.epoch - 1))
        return [name for name, norm in running_norms(self.module) if norm not in held]
