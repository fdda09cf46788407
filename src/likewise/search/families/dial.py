"""A setting that a library keeps in its index rather than takes with each search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

__all__ = ["Dial"]


class Dial:
    """Lets searches with the same value run side by side, and the others wait their turn.

    Args:
        turn: sets the value.
    """

    def __init__(self, turn: Callable[[int], None]) -> None:
        self._turn = turn
        self._value: int | None = None
        self._users = 0
        self._free = Condition()

    @contextmanager
    def at(self, value: int) -> Iterator[None]:
        """Hold the dial at ``value`` while the block runs."""
        with self._free:
            while self._users and self._value != value:
                self._free.wait()
            if self._value != value:
                self._turn(value)
                self._value = value
            self._users += 1
        try:
            yield
        finally:
            with self._free:
                self._users -= 1
                if not self._users:
                    self._free.notify_all()
