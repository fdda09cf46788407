"""Stopping a run: by Ctrl-C or SIGTERM after the current step, or early without improvement."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

from likewise.errors import LikewiseError

__all__ = [
    "STOPPED_EARLY",
    "Best",
    "Interrupted",
    "StopRequest",
    "StoppedBySignal",
    "exit_on_signal",
    "leave_signals_to_the_parent",
    "stop_code",
]

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

    Raises:
        StoppedBySignal: a signal arrived before, within :func:`exit_on_signal`.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
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
        self.signal = signal.SIGTERM

    def _request(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)


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
    """The best validation so far.

    Args:
        value: the best value (higher is better).
        epoch: of the best value; -1: no epoch yet.
        waited: the epochs from the best to the last validation.
    """

    value: float = -1.0
    epoch: int = -1
    waited: int = 0

    def update(self, value: float, epoch: int) -> bool:
        """Compare with a new value; return whether it is the best."""
        if value > self.value:
            self.value, self.epoch, self.waited = value, epoch, 0
            return True
        self.waited = epoch - self.epoch
        return False

    def set(self, value: float, epoch: int) -> None:
        """Make this epoch the best, whatever the values before."""
        self.value, self.epoch, self.waited = value, epoch, 0
