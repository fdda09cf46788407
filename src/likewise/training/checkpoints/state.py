"""What a trainer consists of at a moment, split into what all processes share and what each has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from likewise.data.images import BadImage
from likewise.errors import InputError
from likewise.losses.classes.shard import class_rows
from likewise.training.checkpoints.optimizer_state import (
    named_parameters,
    optimizer_tensors,
    restore_optimizer,
)
from likewise.training.checkpoints.reader import Checkpoint, Parts
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.step.memory_format import match_memory_format
from likewise.training.step.random_state import random_state, restore_random_state
from likewise.training.step.row_optimizer import RowAdamW, RowSGD
from likewise.training.step.teacher import check_teacher, teacher_fingerprint
from likewise.training.stopping import Best

if TYPE_CHECKING:
    from likewise.training.trainer import Trainer

__all__ = ["State"]


class State:
    """Saves and restores a trainer.

    Args:
        trainer: whose state it is.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.split = class_rows(trainer.loss)
        self.names = named_parameters(trainer.module, trainer.loss)

    def save(self, checkpoints: Checkpoints, values: dict[str, Any]) -> None:
        """Begin a checkpoint; ``values`` are the run's own facts."""
        trainer = self.trainer
        shared: Parts = {"network": trainer.module.state_dict(), "loss": {}, "optimizer": {}}
        own: Parts = {"loss": {}, "optimizer": {}, "random": random_state()}
        rows: dict[str, tuple[int, int]] = {}
        for name, tensor in trainer.loss.state_dict().items():
            part = own if name in self.split else shared
            part["loss"][name] = tensor
            if name in self.split:
                rows[f"loss/{name}"] = self.split[name]
        for name, tensor in optimizer_tensors(trainer.optimizer, self.names).items():
            span = self._span_of(name, tensor)
            (shared if span is None else own)["optimizer"][name] = tensor
            if span is not None:
                rows[f"optimizer/{name}"] = span
        if trainer.average is not None:
            shared["average"] = trainer.average.state()
        if trainer.watch is not None:
            shared["watch"] = trainer.watch.state()
        bad = trainer.processes.all_gather_object(
            [[b.name, b.reason] for b in trainer.bad.values()]
        )
        facts = {
            "step": trainer.step_number,
            "epoch": trainer.epoch,
            "batch": trainer.batch,
            "total": trainer.total,
            "teacher": teacher_fingerprint(trainer.loss),
            "skipped": trainer.guard.skipped,
            "best": [trainer.best.value, trainer.best.epoch, trainer.best.waited],
            "scaler": trainer.precision.scaler.state_dict(),
            "bad": list(dict(entry for share in bad for entry in share).items()),
        }
        checkpoints.save(
            trainer.step_number,
            {**values, **facts},
            shared,
            own,
            rows,
            large=trainer.recipe.head.storage == "mmap",
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from what ``save`` wrote.

        Raises:
            InputError: it is of another network, loss or teacher.
        """
        trainer, values = self.trainer, checkpoint.values
        check_teacher(trainer.loss, values.get("teacher"))
        parts = checkpoint.shared()
        try:
            trainer.module.load_state_dict(parts["network"])
            self._restore_loss(checkpoint, parts.get("loss", {}))
            self._restore_optimizer(checkpoint, parts.get("optimizer", {}))
            if trainer.average is not None:
                trainer.average.restore(parts["average"])
            if trainer.watch is not None:
                trainer.watch.restore(parts["watch"])
            trainer.guard.skipped = values["skipped"]
            trainer.step_number = values["step"]
            trainer.epoch, trainer.batch = values["epoch"], values["batch"]
            trainer.total = values["total"]
            trainer.best = Best(*values["best"])
            trainer.precision.scaler.load_state_dict(values["scaler"])
            trainer.bad = {name: BadImage(name, reason) for name, reason in values["bad"]}
        except (RuntimeError, KeyError) as error:
            reason = str(error).splitlines()[-1].strip(" \t\"'")
            raise InputError(
                f"{checkpoint.folder}: the checkpoint is of another recipe ({reason})"
            ) from None
        self._restore_random(checkpoint)

    def _span_of(self, name: str, tensor: Tensor) -> tuple[int, int] | None:
        """Which rows of which total a tensor of the optimiser holds; None if it is not split."""
        parameter, _, _ = name.rpartition("/")
        span = self.split.get(parameter.removeprefix("loss."))
        if span is None or not parameter.startswith("loss.") or tensor.ndim == 0:
            return None
        return span if len(tensor) == len(self.names[parameter]) else None

    @torch.no_grad()
    def _restore_loss(self, checkpoint: Checkpoint, whole: dict[str, Tensor]) -> None:
        loss = self.trainer.loss
        problems = loss.load_state_dict(whole, strict=False)
        there = {key[5:] for key in checkpoint.row_names() if key.startswith("loss/")}
        odd = (set(problems.missing_keys) - self.split.keys()) | set(problems.unexpected_keys)
        if odd := odd | (there ^ self.split.keys()):
            raise KeyError(f"of the loss: {', '.join(sorted(odd))}")
        state = loss.state_dict()
        for name, (first, total) in self.split.items():
            key = f"loss/{name}"
            shape, _ = checkpoint.row_shape(key)
            if shape[0] != total:
                raise KeyError(f"of the loss: {name} has {shape[0]} rows instead of {total}")
            checkpoint.rows_into(key, first, state[name])

    def _restore_optimizer(self, checkpoint: Checkpoint, whole: dict[str, Tensor]) -> None:
        optimizer, tensors = self.trainer.optimizer, dict(whole)
        if isinstance(optimizer, RowAdamW | RowSGD):
            optimizer.allocate()  # to be filled where they lie, on disk or not
        for key in checkpoint.row_names():
            part, _, name = key.partition("/")
            if part != "optimizer":
                continue
            parameter = name.rpartition("/")[0]
            first, _ = self.split[parameter.removeprefix("loss.")]
            shape, dtype = checkpoint.row_shape(key)
            own = self.names[parameter]
            target = optimizer.state.get(own, {}).get(name.rpartition("/")[2])
            if not isinstance(target, Tensor) or len(target) != len(own):
                target = torch.empty(len(own), *shape[1:], dtype=dtype)
            checkpoint.rows_into(key, first, target)
            tensors[name] = target
        restore_optimizer(optimizer, self.names, tensors)
        match_memory_format(optimizer)

    def _restore_random(self, checkpoint: Checkpoint) -> None:
        processes = self.trainer.processes
        if checkpoint.processes == processes.count:
            restore_random_state(checkpoint.own(processes.rank)["random"])
        else:  # there is no state for this many: a new one, the same at each such resume
            seed = self.trainer.recipe.training.seed
            torch.manual_seed(
                ((seed * 1_000_003 + self.trainer.step_number) * 65_537 + processes.rank) % 2**63
            )
