"""Stopping well: by Ctrl-C or SIGTERM after the step at hand, or early when nothing improves."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

from likewise.errors import LikewiseError

__all__ = [
    "SIGNALS",
    "STOPPED_EARLY",
    "STOP_CODES",
    "Best",
    "Interrupted",
    "StopRequest",
    "StoppedBySignal",
    "early_stop",
    "leave_signals_to_the_parent",
    "stop_code",
]

STOPPED_EARLY = "stopped; no step is left unsaved"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_code(number: int) -> int:
    """The exit code of a program that a signal stopped, as shells count it: 130, 143."""
    return 128 + number


STOP_CODES = frozenset(stop_code(number) for number in SIGNALS)


class StoppedBySignal(SystemExit):
    """A signal ended the command, which has said so.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(stop_code(number))


class Interrupted(LikewiseError):
    """A signal stopped the work, which can be continued.

    Args:
        message: how.
        number: of the signal.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = stop_code(number)


class StopRequest:
    """While it is active, the first Ctrl-C or SIGTERM asks to stop; the second Ctrl-C insists.

    A step is never left half done: the loop looks at ``signal`` between steps.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        # Only the main thread may change handlers; in another one, signals are its caller's.
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

    def _request(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)


@contextmanager
def early_stop() -> Iterator[None]:
    """While the block gets ready to train, or is done with it, Ctrl-C and SIGTERM end it at once.

    In between, :class:`StopRequest` takes its place.

    Raises:
        StoppedBySignal: one of them came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        print(STOPPED_EARLY, file=sys.stderr)
        raise StoppedBySignal(number)

    before = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_signals_to_the_parent(_worker: int = 0) -> None:
    """In a process that loads photos: a signal to the whole group is its parent's to answer.

    If such a process died of it, its parent would fail instead of saving.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@dataclass
class Best:
    """The best validation so far, and for how many epochs it has stood.

    Args:
        value: the best value (higher is better).
        epoch: where it was reached.
        waited: epochs from there to the last validation.
    """

    value: float = -1.0
    epoch: int = -1
    waited: int = 0

    def update(self, value: float, epoch: int) -> bool:
        """Take a new value in; return whether it is the best."""
        if value > self.value:
            self.value, self.epoch, self.waited = value, epoch, 0
            return True
        self.waited = epoch - self.epoch
        return False

    def take(self, value: float, epoch: int) -> None:
        """Let this epoch stand, whatever came before."""
        self.value, self.epoch, self.waited = value, epoch, 0
