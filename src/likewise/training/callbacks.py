"""Callbacks of a run: your code before and after each step, validation and epoch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from likewise.errors import InputError, LikewiseError
from likewise.models.embedder import Embedder
from likewise.training.run_length import RunLength
from likewise.training.stopping import StopRequest
from likewise.training.trainer import Trainer

__all__ = ["Callback", "RunCallbacks", "TrainingRun", "check_callbacks"]

log = logging.getLogger(__name__)


class TrainingRun:
    """A run as a callback sees it: where it is, what was measured, and how to stop it.

    Args:
        folder: of the run.
        trainer: of the run.
        length: of the run.

    Attributes:
        folder: of the run.
        trainer: its ``module`` is the network in training, ``loss`` the loss, ``optimizer`` both's.
        rank: of this process, from 0; each process of a run calls its own callbacks.
        metrics: the numbers of the last complete epoch, named as in ``log.jsonl``; those of its
            validation are in it from ``after_validation`` on.
    """

    def __init__(self, folder: Path, trainer: Trainer, length: RunLength) -> None:
        self.folder, self.trainer, self.rank = folder, trainer, trainer.processes.rank
        self.metrics: Mapping[str, Any] = {}
        self._length = length
        self._loss: Tensor | None = None
        self._stop: StopRequest | None = None

    @property
    def step(self) -> int:
        """The steps completed, those of an interrupted run before included."""
        return self.trainer.step_number

    @property
    def steps(self) -> int:
        """The steps of the whole run."""
        return self._length.steps

    @property
    def epoch(self) -> int:
        """The epochs completed."""
        return self.trainer.epoch

    @property
    def epochs(self) -> int:
        """The epochs of the whole run, of which the last one may be short."""
        return self._length.epochs

    @property
    def loss(self) -> float | None:
        """The loss of the last step; NaN if it was skipped, None before the first step.

        It is read from the device, which on a GPU waits for the step: read it only now and then.
        """
        return None if self._loss is None else float(self._loss)

    @property
    def lr(self) -> float:
        """The learning rate of the network in the last step; before the first, its peak."""
        return float(self.trainer.optimizer.param_groups[0]["lr"])

    def embedder(self) -> Embedder:
        """A copy of the network as it is now (its average, under ``training.ema``), to embed with.

        It is not calibrated, and its batch normalisations have the running statistics of training:
        the model that a run saves is made with more care.
        """
        return Embedder(self.trainer.network(), self.trainer.preprocess)

    def stop(self, reason: str = "") -> None:
        """Stop the run as Ctrl-C does: after the current step, with a checkpoint.

        Args:
            reason: for the log.
        """
        if self._stop is not None and self._stop.signal is None:
            self._stop.request()
            log.info("step %d: a callback stops the run%s", self.step, reason and f": {reason}")


class Callback:
    """Base class of callbacks: override the methods that you need; each gets the run.

    In every process of a run its own callbacks are called, in the order of the list.

    Example:
        >>> from likewise.training.callbacks import Callback
        >>> class StopWhenGood(Callback):
        ...     def after_validation(self, run):
        ...         if run.metrics["val/auc"] > 0.99:
        ...             run.stop("good enough")
    """

    def before_run(self, run: TrainingRun) -> None:
        """Before the baselines and the first step, or before a resumed run goes on."""

    def before_epoch(self, run: TrainingRun) -> None:
        """Before an epoch, or before a resumed run goes on within one."""

    def before_step(self, run: TrainingRun) -> None:
        """Before a step."""

    def after_step(self, run: TrainingRun) -> None:
        """After a step, also after one that was skipped since a number was not finite."""

    def before_validation(self, run: TrainingRun) -> None:
        """Before a validation; again if it is repeated, since the run was stopped meanwhile."""

    def after_validation(self, run: TrainingRun) -> None:
        """After a validation and, if its network is the one to keep, after saving it."""

    def after_epoch(self, run: TrainingRun) -> None:
        """After an epoch and its validation, if it has one; before its checkpoint."""

    def after_run(self, run: TrainingRun) -> None:
        """At the end, also of a run that is stopped or fails."""


class RunCallbacks:
    """Calls the callbacks of a run; one that raises an error stops the run in good order.

    Args:
        callbacks: of this process.
        run: what they get.

    Attributes:
        active: whether any process of the run has callbacks.
    """

    def __init__(self, callbacks: Sequence[Callback], run: TrainingRun) -> None:
        self.callbacks, self.run, self.processes = callbacks, run, run.trainer.processes
        self.active = self.processes.any(bool(callbacks))
        self._stop: StopRequest | None = None
        self._failure: Exception | None = None

    def begin(self, stop: StopRequest) -> None:
        """Begin; ``stop`` is requested by a callback that stops the run, or fails."""
        self._stop = self.run._stop = stop
        trainer = self.run.trainer
        if _overridden(self.callbacks, "before_step"):
            trainer.before_step = partial(self.call, "before_step")
        if _overridden(self.callbacks, "after_step"):
            trainer.after_step = self._after_step
        self.call("before_run")

    def call(self, name: str) -> None:
        """Call this method of each callback; none after one has failed."""
        for callback in self.callbacks:
            if self._failure is not None:
                return
            self._try(callback, name)

    def report(self, report: Mapping[str, Any]) -> None:
        """Give the numbers of an epoch to the callbacks of all processes: those of rank 0."""
        if self.active:
            self.run.metrics = self.processes.all_gather_object(dict(report))[0]

    def end(self) -> None:
        """Call ``after_run`` of each callback, also of those after one that has failed."""
        for callback in self.callbacks:
            self._try(callback, "after_run")
        self.run.trainer.before_step = self.run.trainer.after_step = None

    def raise_failure(self) -> None:
        """Raise the error of a callback, once all is saved; every process calls this.

        Raises:
            Exception: that of this process's own callback, as it is.
            LikewiseError: a callback of another process has failed.
        """
        if not self.active:
            return
        own = self._failure
        texts = self.processes.all_gather_object(
            "" if own is None else f"{type(own).__name__}: {own}"
        )
        if own is not None:
            raise own
        for rank, text in enumerate(texts):
            if text:
                raise LikewiseError(
                    f"training: a callback failed on rank {rank} ({text}); all completed steps "
                    "are saved, and resuming continues"
                )

    def _after_step(self, loss: Tensor) -> None:
        self.run._loss = loss
        self.call("after_step")

    def _try(self, callback: Callback, name: str) -> None:
        try:
            getattr(callback, name)(self.run)
        except Exception as error:  # whatever it is: first all is saved, then it is raised
            if self._failure is not None:
                log.exception("%s.%s failed too", type(callback).__name__, name)
                return
            self._failure = error
            place = f"{type(callback).__name__}.{name}, after step {self.run.step}"
            log.info("%s: %s: %s; the run stops", place, type(error).__name__, error)
            error.add_note(f"Raised by {place}. All completed steps are saved: resuming continues.")
            if self._stop is not None:
                self._stop.request()


def check_callbacks(callbacks: Sequence[Callback]) -> list[Callback]:
    """The callbacks as a list.

    Raises:
        InputError: one of them is no callback, or a class in place of an object.
    """
    if isinstance(callbacks, Callback) or not isinstance(callbacks, Sequence):
        raise InputError(f"callbacks: a list is expected; got {type(callbacks).__name__}")
    for number, one in enumerate(callbacks):
        if isinstance(one, type) and issubclass(one, Callback):
            raise InputError(f"callbacks: {number} is the class {one.__name__}; make an object")
        if not isinstance(one, Callback):
            raise InputError(
                f"callbacks: {number} is of type {type(one).__name__}, which is no subclass of "
                "likewise.training.callbacks.Callback"
            )
        _refuse_misspelled(one)
    return list(callbacks)


def _refuse_misspelled(callback: Callback) -> None:
    """Refuse a method that would never be called.

    Raises:
        InputError: it is named like those of a callback, but there is none of this name.
    """
    known = [name for name in vars(Callback) if name.startswith(("before_", "after_"))]
    for name in dir(callback):
        if name.startswith(("before_", "after_", "on_")) and name not in known:
            near = get_close_matches(name.replace("on_", "after_", 1), known, n=1, cutoff=0.0)
            raise InputError(
                f"callbacks: {type(callback).__name__}.{name} is never called; did you mean "
                f"{near[0]}? There are: {', '.join(known)}"
            )


def _overridden(callbacks: Sequence[Callback], name: str) -> bool:
    """Whether any of them has this method of its own: the others cost nothing."""
    empty: Callable[..., None] = getattr(Callback, name)
    return any(getattr(type(one), name) is not empty for one in callbacks)
