"""The state of a training: what a checkpoint holds, saved and restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from likewise.data.images import BadImage
from likewise.errors import InputError
from likewise.losses.classes.shard import class_rows
from likewise.training.checkpoints.reader import Checkpoint, Parts
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.watch import Watch
from likewise.training.recipe.recipe import Recipe
from likewise.training.step.ema import WeightAverage
from likewise.training.step.guards import StepGuard
from likewise.training.step.memory_format import match_memory_format
from likewise.training.step.random_state import random_state, restore_random_state
from likewise.training.step.row_optimizer import RowAdamW, RowSGD
from likewise.training.step.teacher import check_teacher, teacher_fingerprint
from likewise.training.stopping import Best

__all__ = ["TrainingState", "named_parameters", "optimizer_tensors", "restore_optimizer"]


@dataclass
class TrainingState:
    """All that a training continues from: weights, moments, random state and counters.

    Args:
        recipe: of the run.
        module: the network.
        loss: with the class weights of this process.
        optimizer: of both.
        scaler: of the loss, under float16.
        guard: counts the skipped steps.
        processes: that train together.
        average: the EMA of the weights, if there is one.
        watch: the monitor of the epochs, if there is one.
        step: the number of the next step, from 0.
        epoch: the epochs completed.
        batch: the next batch of the epoch.
        sums: of this epoch: loss · photos, correctly classified photos, photos.
        best: the best validation so far.
        bad: the photos that could not be read, by name.
    """

    recipe: Recipe
    module: nn.Module
    loss: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    guard: StepGuard
    processes: Processes
    average: WeightAverage | None = None
    watch: Watch | None = None
    step: int = 0
    epoch: int = 0
    batch: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    best: Best = field(default_factory=Best)
    bad: dict[str, BadImage] = field(default_factory=dict)

    def save(self, checkpoints: Checkpoints, values: dict[str, Any]) -> None:
        """Begin to write a checkpoint; ``values`` are further facts of the run.

        Raises:
            LikewiseError: the previous checkpoint could not be written: the disk is full.
        """
        split, names = class_rows(self.loss), named_parameters(self.module, self.loss)
        shared: Parts = {"network": self.module.state_dict(), "loss": {}, "optimizer": {}}
        own: Parts = {"loss": {}, "optimizer": {}, "random": random_state()}
        rows: dict[str, tuple[int, int]] = {}
        for name, tensor in self.loss.state_dict().items():
            part = own if name in split else shared
            part["loss"][name] = tensor
            if name in split:
                rows[f"loss/{name}"] = split[name]
        for name, tensor in optimizer_tensors(self.optimizer, names).items():
            span = _rows_of(name, tensor, names, split)
            (shared if span is None else own)["optimizer"][name] = tensor
            if span is not None:
                rows[f"optimizer/{name}"] = span
        if self.average is not None:
            shared["average"] = self.average.state()
        if self.watch is not None:
            shared["watch"] = self.watch.state()
        bad = self.processes.all_gather_object([[b.name, b.reason] for b in self.bad.values()])
        facts = {
            "step": self.step,
            "epoch": self.epoch,
            "batch": self.batch,
            "total": self.sums,
            "teacher": teacher_fingerprint(self.loss),
            "skipped": self.guard.skipped,
            "best": self.best.state(),
            "scaler": self.scaler.state_dict(),
            "bad": list(dict(entry for share in bad for entry in share).items()),
        }
        large = self.recipe.head.storage == "mmap"
        checkpoints.save(self.step, {**values, **facts}, shared, own, rows, large=large)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from what ``save`` wrote, with any number of processes.

        Raises:
            InputError: the checkpoint is of another network, loss or teacher.
        """
        values, parts = checkpoint.values, checkpoint.shared()
        check_teacher(self.loss, values.get("teacher"))
        try:
            self.module.load_state_dict(parts["network"])
            self._restore_loss(checkpoint, parts.get("loss", {}))
            self._restore_optimizer(checkpoint, parts.get("optimizer", {}))
            if self.average is not None:
                self.average.restore(parts["average"])
            if self.watch is not None:
                self.watch.restore(parts["watch"])
            self.guard.skipped = values["skipped"]
            self.step, self.epoch, self.batch = (values[k] for k in ("step", "epoch", "batch"))
            self.sums, self.best = values["total"], self.best.restored(values["best"])
            self.scaler.load_state_dict(values["scaler"])
            self.bad = {name: BadImage(name, reason) for name, reason in values["bad"]}
        except (RuntimeError, KeyError) as error:
            reason = str(error).splitlines()[-1].strip(" \t\"'")
            raise InputError(
                f"{checkpoint.folder}: the checkpoint is of another recipe ({reason})"
            ) from None
        self._restore_random(checkpoint)

    @torch.no_grad()
    def _restore_loss(self, checkpoint: Checkpoint, whole: dict[str, Tensor]) -> None:
        split = class_rows(self.loss)
        problems = self.loss.load_state_dict(whole, strict=False)
        saved = {key[5:] for key in checkpoint.row_names() if key.startswith("loss/")}
        odd = (set(problems.missing_keys) - split.keys()) | set(problems.unexpected_keys)
        if odd := odd | (saved ^ split.keys()):
            raise KeyError(f"of the loss: {', '.join(sorted(odd))}")
        state = self.loss.state_dict()
        for name, (first, total) in split.items():
            key = f"loss/{name}"
            shape, _ = checkpoint.row_shape(key)
            if shape[0] != total:
                raise KeyError(f"of the loss: {name} has {shape[0]} rows instead of {total}")
            checkpoint.rows_into(key, first, state[name])

    def _restore_optimizer(self, checkpoint: Checkpoint, whole: dict[str, Tensor]) -> None:
        optimizer, tensors = self.optimizer, dict(whole)
        split, names = class_rows(self.loss), named_parameters(self.module, self.loss)
        if isinstance(optimizer, RowAdamW | RowSGD):
            optimizer.allocate()  # the moments are read into the optimizer's own memory or file
        for key in checkpoint.row_names():
            part, _, name = key.partition("/")
            if part != "optimizer":
                continue
            parameter, _, moment = name.rpartition("/")
            first, _ = split[parameter.removeprefix("loss.")]
            shape, dtype = checkpoint.row_shape(key)
            own = names[parameter]
            target = optimizer.state.get(own, {}).get(moment)
            if not isinstance(target, Tensor) or len(target) != len(own):
                target = torch.empty(len(own), *shape[1:], dtype=dtype)
            checkpoint.rows_into(key, first, target)
            tensors[name] = target
        restore_optimizer(optimizer, names, tensors)
        match_memory_format(optimizer)

    def _restore_random(self, checkpoint: Checkpoint) -> None:
        rank = self.processes.rank
        if checkpoint.processes == self.processes.count:
            restore_random_state(checkpoint.own(rank)["random"])
        else:  # another world size has no saved random state: seed one that is the same each time
            seed = self.recipe.training.seed
            torch.manual_seed(((seed * 1_000_003 + self.step) * 65_537 + rank) % 2**63)


def named_parameters(network: nn.Module, loss: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of both, as ``network.fc.weight`` and ``loss.weight``."""
    return {
        f"{part}.{name}": parameter
        for part, module in (("network", network), ("loss", loss))
        for name, parameter in module.named_parameters()
    }


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, names: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The optimizer's state of every parameter, as ``network.fc.weight/exp_avg``."""
    return {
        f"{name}/{key}": torch.as_tensor(value).detach()
        for name, parameter in names.items()
        for key, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    names: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
) -> None:
    """The inverse of ``optimizer_tensors``.

    Raises:
        KeyError: a tensor belongs to no parameter of the optimizer.
    """
    listed = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = {id(parameter): number for number, parameter in enumerate(listed)}
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        name, _, value = key.rpartition("/")
        state.setdefault(numbers[id(names[name])], {})[value] = tensor
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def _rows_of(
    name: str,
    tensor: Tensor,
    names: Mapping[str, nn.Parameter],
    split: Mapping[str, tuple[int, int]],
) -> tuple[int, int] | None:
    """The first row of an optimizer's tensor and the rows of all ranks; None if it is not split."""
    parameter, _, _ = name.rpartition("/")
    span = split.get(parameter.removeprefix("loss."))
    if span is None or not parameter.startswith("loss.") or tensor.ndim == 0:
        return None
    return span if len(tensor) == len(names[parameter]) else None
