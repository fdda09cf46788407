"""Stopping a run: by Ctrl-C or SIGTERM after the current step, or early without improvement."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType, TracebackType
from typing import Any

from likewise.errors import InputError, LikewiseError
from likewise.evaluation.intervals.auc_estimate import AucEstimate
from likewise.evaluation.intervals.bootstrap import Interval

__all__ = [
    "FEWEST",
    "STOPPED_EARLY",
    "Best",
    "Interrupted",
    "StopRequest",
    "StoppedBySignal",
    "clearly_better",
    "exit_on_signal",
    "leave_signals_to_the_parent",
    "stop_code",
]

FEWEST = 5  # people, below which the interval of a difference is not known
STOPPED_EARLY = "stopped; all completed steps are saved"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_code(number: int) -> int:
    """The exit code of a program that a signal stopped, as in shells: 130 for Ctrl-C, 143."""
    return 128 + number


class StoppedBySignal(SystemExit):
    """A signal ended the command; the message is printed already.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(stop_code(number))


class Interrupted(LikewiseError):
    """A signal stopped the work, which can be continued.

    Args:
        message: how to continue.
        number: of the signal.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = stop_code(number)


class StopRequest:
    """Within the block, the first Ctrl-C or SIGTERM requests a stop; a second Ctrl-C interrupts.

    The training loop checks ``signal`` between steps, so that no step is interrupted.

    Attributes:
        signal: what requested the stop; None before.
        by_program: whether it was no signal, but ``request``.

    Raises:
        StoppedBySignal: a signal arrived before, within :func:`exit_on_signal`.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.by_program = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        early = signal.getsignal(signal.SIGINT)
        if isinstance(early, _EarlyStop):
            early.check()
        # Only the main thread may set signal handlers.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def request(self) -> None:
        """Request a stop, as a signal does."""
        self.signal, self.by_program = signal.SIGTERM, self.signal is None or self.by_program

    def _request(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal, self.by_program = signal.Signals(number), False


class _EarlyStop:
    """A signal handler that ends the program.

    ``check`` raises again, since a module that is being loaded may catch the exception: torch does.
    """

    def __init__(self) -> None:
        self.signal = 0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if not self.signal:
            print(STOPPED_EARLY, file=sys.stderr)
            warnings.simplefilter("ignore")  # such as one that NumPy was loaded twice
        self.signal = number
        self.check()

    def check(self) -> None:
        if self.signal:
            raise StoppedBySignal(self.signal)


@contextmanager
def exit_on_signal() -> Iterator[None]:
    """Within the block, Ctrl-C and SIGTERM end the program at once: before and after training.

    During training :class:`StopRequest` handles the signals instead.

    Raises:
        StoppedBySignal: a signal arrived.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    early = _EarlyStop()
    before = {number: signal.signal(number, early) for number in SIGNALS}
    try:
        yield
        early.check()
    except Exception:
        early.check()  # the error of a module that was interrupted while it was loaded
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_signals_to_the_parent(_worker: int = 0) -> None:
    """Ignore signals in a worker process of a data loader; the parent handles them.

    Ctrl-C reaches all processes of the group. If a worker died of it, the parent would fail
    instead of saving a checkpoint.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@dataclass
class Best:
    """Which epoch of a run is saved: the last one that is not clearly worse than the best.

    Clearly worse means by more than one standard error of the difference, on the same people. The
    highest of many validations is partly luck, and the later of two equal networks has seen more.
    A start model (epoch 0) is replaced only by epochs that are clearly better than it: the 95 %
    interval of the difference is above 0.

    Args:
        value: the metric of the saved epoch.
        epoch: the saved one; 0: the start model; -1: none yet.
        waited: the epochs from the best to the last validation.
        saved: the validation of the saved epoch; None if it is not known.
        top: the best validation; None if it is not known.
        top_epoch: its epoch.
        start: the validation of the start model; None without one.
        measure: the metric, in words.
        lower_is_better: its direction.
        auc: the AUC of the saved epoch, where the metric is another one.
    """

    value: float = -1.0
    epoch: int = -1
    waited: int = 0
    saved: AucEstimate | None = None
    top: AucEstimate | None = None
    top_epoch: int = -1
    start: AucEstimate | None = None
    measure: str = "AUC"
    lower_is_better: bool = False
    auc: AucEstimate | None = None

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the saved epoch's metric; None if it is not known."""
        return None if self.saved is None else self.saved.interval()

    @property
    def saved_auc(self) -> AucEstimate | None:
        """The AUC of the saved epoch, to compare with baselines; None if it is not known."""
        return self.saved if self.measure == "AUC" else self.auc

    def update(self, found: AucEstimate, epoch: int, auc: AucEstimate | None = None) -> bool:
        """Compare a validation with the best one; return whether its epoch is to be saved."""
        replaces = self._replaces(found)
        top = self._top_value()
        if top is None or self.ahead(found.value, top) or (self.top is None and found.value == top):
            self.top, self.top_epoch = found, epoch
        if replaces:
            self.value, self.epoch, self.saved, self.auc = found.value, epoch, found, auc
        self.waited = epoch - self.top_epoch
        return replaces

    def ahead(self, value: float, other: float) -> bool:
        """Whether a value of the metric is better than another one."""
        return value < other if self.lower_is_better else value > other

    def set(self, found: AucEstimate, epoch: int, auc: AucEstimate | None = None) -> None:
        """Save this epoch, whatever the validations before."""
        self.value, self.epoch, self.waited, self.saved = found.value, epoch, 0, found
        self.top, self.top_epoch, self.auc = found, epoch, auc

    def begin(self, found: AucEstimate, auc: AucEstimate | None = None) -> None:
        """Save the start model, as epoch 0."""
        self.set(found, 0, auc)
        self.start = found

    def adopt(self, value: float, epoch: int) -> None:
        """The saved network is of another epoch: of a checkpoint that was lost."""
        top = self._top_value()
        if top is None or self.ahead(value, top):
            self.top, self.top_epoch = None, epoch
        self.value, self.epoch, self.saved, self.auc = value, epoch, None, None

    def _top_value(self) -> float | None:
        if self.top is not None:
            return self.top.value
        return self.value if self.epoch >= 0 else None

    def _replaces(self, found: AucEstimate) -> bool:
        if self.start is not None and not (
            found.people >= FEWEST and clearly_better(found, self.start, self.lower_is_better)
        ):
            return False
        if self.top is None:
            return self.epoch < 0 or not self.ahead(self.value, found.value)
        difference = found.minus(self.top)
        gain = -difference.value if self.lower_is_better else difference.value
        return gain >= -difference.standard_error

    def state(self) -> list[Any]:
        """Plain values, for a checkpoint."""
        estimates = (self.saved, self.top, self.start, self.auc)
        saved, top, start, auc = (None if one is None else one.to_dict() for one in estimates)
        place = [self.value, self.epoch, self.waited]
        return [*place, saved, top, self.top_epoch, start, self.measure, auc]

    def restored(self, state: list[Any]) -> Best:
        """What ``state`` returned, by the same metric.

        Checkpoints of earlier versions hold the first three or seven values.

        Raises:
            InputError: the checkpoint compares epochs by another metric.
        """
        value, epoch, waited, *more = state
        rest: list[Any] = [None, None, epoch, None, self.measure, None]
        rest[: len(more)] = more
        saved, top, top_epoch, start, measure, auc = rest
        if measure != self.measure:
            raise InputError(
                f"training.metric: {self.measure}; this run has compared its epochs by {measure}: "
                f"set training.metric={measure}, or begin a new run"
            )
        estimates = [one and AucEstimate.from_dict(one) for one in (saved, top, start, auc)]
        return replace(
            self, value=value, epoch=epoch, waited=waited, saved=estimates[0], top=estimates[1],
            top_epoch=top_epoch, start=estimates[2], auc=estimates[3],
        )  # fmt: skip


def clearly_better(found: AucEstimate, other: AucEstimate, lower_is_better: bool) -> bool:
    """Whether the 95 % interval of the difference is on the better side of 0."""
    interval = found.minus(other).interval()
    return interval.high < 0 if lower_is_better else interval.low > 0
