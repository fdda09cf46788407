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

__all__ = ["STOPPED_EARLY", "Best", "StopRequest", "early_stop"]

STOPPED_EARLY = "stopped before the first step: there was nothing to save"


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
            for number in (signal.SIGINT, signal.SIGTERM):
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
    """While the block gets ready to train, or is done with it, SIGTERM ends it with exit code 0.

    In between, :class:`StopRequest` takes its place.

    Raises:
        SystemExit: SIGTERM came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        print(STOPPED_EARLY, file=sys.stderr)
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass
class Best:
    """The best validation so far, and for how many epochs it has stood.

    Args:
        value: the best value (higher is better).
        epoch: where it was reached.
        waited: validations since then.
    """

    value: float = -1.0
    epoch: int = -1
    waited: int = 0

    def update(self, value: float, epoch: int) -> bool:
        """Take a new value in; return whether it is the best."""
        if value > self.value:
            self.value, self.epoch, self.waited = value, epoch, 0
            return True
        self.waited += 1
        return False

    def take(self, value: float, epoch: int) -> None:
        """Let this epoch stand, whatever came before."""
        self.value, self.epoch, self.waited = value, epoch, 0
