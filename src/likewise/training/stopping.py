"""Stopping well: by Ctrl-C or SIGTERM after the step at hand, or early when nothing improves."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Best", "StopRequest"]


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
