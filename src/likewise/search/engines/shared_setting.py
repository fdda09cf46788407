"""A search parameter that a library stores in the index instead of taking it with each search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

__all__ = ["SharedSetting"]


class SharedSetting:
    """Lets searches with equal values run in parallel; searches with another value wait.

    Args:
        assign: sets the value in the library's index.
    """

    def __init__(self, assign: Callable[[int], None]) -> None:
        self._assign = assign
        self._value: int | None = None
        self._users = 0
        self._free = Condition()

    @contextmanager
    def at(self, value: int) -> Iterator[None]:
        """Keep the setting at ``value`` while the block runs."""
        with self._free:
            while self._users and self._value != value:
                self._free.wait()
            if self._value != value:
                self._assign(value)
                self._value = value
            self._users += 1
        try:
            yield
        finally:
            with self._free:
                self._users -= 1
                if not self._users:
                    self._free.notify_all()
