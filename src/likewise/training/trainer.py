"""The loop: batches in, weights out, and at any moment a state from which it continues exactly."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from likewise.data.images import BadImage
from likewise.data.photos import Batch
from likewise.data.preprocess import Preprocess
from likewise.data.sampler import EpochSampler
from likewise.errors import InputError, LikewiseError
from likewise.training.averaging import WeightAverage
from likewise.training.checkpoint import (
    Parts,
    optimizer_tensors,
    random_state,
    restore_optimizer,
    restore_random_state,
    save_checkpoint,
)
from likewise.training.distilling import Distilling, same_teacher
from likewise.training.freezing import Freezing
from likewise.training.optimizer import build_optimizer
from likewise.training.precision import Precision
from likewise.training.recipe import Recipe
from likewise.training.schedule import lr_factor, margin_fraction
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
        distilling: what a teacher adds to the loss, if there is one.
    """

    def __init__(
        self,
        recipe: Recipe,
        module: nn.Module,
        loss: nn.Module,
        preprocess: Preprocess,
        device: torch.device,
        distilling: Distilling | None = None,
    ) -> None:
        self.recipe = recipe
        self.module = module.to(device)
        self.loss = loss.to(device)
        self.preprocess = preprocess
        self.device = device
        self.precision = Precision(recipe.training.precision, device)
        self.distilling = None if distilling is None else distilling.to(device)
        model = recipe.model
        self.freezing = Freezing(self.module, model.freeze, model.unfreeze_epoch)
        more = () if self.distilling is None else (self.distilling,)
        self.optimizer = build_optimizer(recipe.optimizer, self.module, self.loss, *more)
        self.average = (
            WeightAverage(self.module, recipe.training.ema) if recipe.training.ema else None
        )
        self.step_number = 0
        self.epoch = 0
        self.batch = 0  # the next one of this epoch
        self.total = [0.0, 0.0, 0.0]  # of this epoch: loss · photos, photos right, photos
        self.best = Best()
        self.bad: dict[str, BadImage] = {}

    def step(self, pixels: Tensor, labels: Tensor, steps_per_epoch: int) -> tuple[Tensor, Tensor]:
        """One step on uint8 [B,C,H,W] and int64 [B]; returns the loss and the photos right [B]."""
        schedule, step = self.recipe.schedule, self.step_number
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_factor(schedule, step, steps_per_epoch)
        set_margin: Callable[[float], None] | None = getattr(self.loss, "set_margin_fraction", None)
        if set_margin is not None:
            set_margin(margin_fraction(schedule, step, steps_per_epoch))
        pixels = pixels.to(self.device, non_blocking=True)
        images = self.preprocess.normalise(pixels)
        labels = labels.to(self.device, non_blocking=True)
        with self.precision.autocast():
            embeddings = self.module(images)
        value: Tensor = self.loss(embeddings.float(), labels)
        if self.distilling is not None:
            with self.precision.autocast():
                taught = self.distilling.teach(pixels)
            value = value + self.distilling(embeddings.float(), taught)
        scaler = self.precision.scaler
        self.optimizer.zero_grad(set_to_none=True)
        scaler.scale(value).backward()
        if self.recipe.optimizer.clip:
            scaler.unscale_(self.optimizer)
            weights = [p for group in self.optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(weights, self.recipe.optimizer.clip)
        scaler.step(self.optimizer)
        scaler.update()
        if self.average is not None:
            self.average.update(self.module)
        self.step_number += 1
        hits = getattr(self.loss, "hits", None)
        return value.detach(), torch.empty(0) if hits is None else hits

    def run_epoch(
        self,
        loader: Iterable[Batch],
        sampler: EpochSampler,
        advance: Callable[[int], None],
        stop: StopRequest,
        checkpoint: Callable[[], None],
    ) -> dict[str, float] | None:
        """Train to the end of the epoch at hand; None if a stop was asked for.

        Raises:
            LikewiseError: the loss is no longer finite, or no photo of the epoch can be read.
        """
        self.module.train()
        self.loss.train()
        self.freezing.apply(self.epoch)
        sampler.start_at(self.epoch, self.batch)
        saved = started = time.monotonic()
        before = self.total[2]  # of an interrupted attempt at this epoch
        pending: list[tuple[Tensor, Tensor, int]] = []
        for batch in loader:
            self._note_bad(batch)
            if len(batch.labels) > 1:  # normalisation needs two
                value, hits = self.step(batch.pixels, batch.labels, len(sampler))
                pending.append((value, hits, len(batch.labels)))
            self.batch += 1
            advance(len(batch.labels) + len(batch.bad))
            # A GPU is asked for numbers only now and then: each question makes it wait.
            if self.device.type == "cpu" or len(pending) >= 20:
                self._settle(pending)
            if stop.signal is not None and self.batch < len(sampler):
                self._settle(pending)
                return None
            if time.monotonic() - saved > 60 * self.recipe.training.checkpoint_minutes:
                self._settle(pending)
                checkpoint()
                saved = time.monotonic()
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
        module = copy.deepcopy(self.module)
        if self.average is not None:
            module.load_state_dict(self.average.weights)
        return module.eval()

    def save(self, path: Path, values: dict[str, Any]) -> None:
        """Write a checkpoint; ``values`` are the run's own facts."""
        parts: Parts = {
            "network": self.module.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer),
            "random": random_state(),
        }
        if self.average is not None:
            parts["average"] = self.average.state()
        if self.distilling is not None:
            parts["distilling"] = self.distilling.state_dict()
        state = {
            "step": self.step_number,
            "epoch": self.epoch,
            "batch": self.batch,
            "total": self.total,
            "best": [self.best.value, self.best.epoch, self.best.waited],
            "scaler": self.precision.scaler.state_dict(),
            "teacher": None if self.distilling is None else self.distilling.fingerprint,
            "bad": [[bad.name, bad.reason] for bad in self.bad.values()],
        }
        save_checkpoint(path, parts, {**values, **state})

    def restore(self, parts: Parts, values: dict[str, Any]) -> None:
        """Continue from what ``save`` wrote.

        Raises:
            InputError: it is of another network, loss or teacher.
        """
        same_teacher(self.distilling, values.get("teacher"))
        try:
            self.module.load_state_dict(parts["network"])
            self.loss.load_state_dict(parts.get("loss", {}))
            restore_optimizer(self.optimizer, parts.get("optimizer", {}))
            if self.average is not None:
                self.average.restore(parts["average"])
            if self.distilling is not None:
                self.distilling.load_state_dict(parts.get("distilling", {}))
        except (RuntimeError, KeyError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise InputError(f"the checkpoint is of another recipe ({reason})") from None
        restore_random_state(parts["random"])
        self.step_number, self.epoch, self.batch = (values[k] for k in ("step", "epoch", "batch"))
        self.total = values["total"]
        self.best = Best(*values["best"])
        self.precision.scaler.load_state_dict(values["scaler"])
        self.bad = {name: BadImage(name, reason) for name, reason in values["bad"]}
