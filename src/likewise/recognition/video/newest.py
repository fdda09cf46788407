"""The newest item of a source that does not wait: a thread reads, and what is too late is lost."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Condition, Thread
from typing import Generic, TypeVar

__all__ = ["Newest"]

Item = TypeVar("Item")


class Newest(Generic[Item]):
    """Iterates over a live source in a thread, and yields the newest item each time.

    Args:
        items: the source; read in the thread only.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._changed = Condition()
        self._newest: list[Item] = []
        self._error: BaseException | None = None
        self._ended = self._stop = False
        self.lost = 0
        """Items that a newer one replaced before they were taken."""
        self._thread = Thread(target=self._read, name="likewise-video", daemon=True)

    def stop(self) -> None:
        """End the thread after the item that it reads; the source has a time limit on each."""
        self._stop = True
        if self._thread.is_alive():
            self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        self._thread.start()
        while True:
            with self._changed:
                while not self._newest and not self._ended:
                    self._changed.wait(0.5)  # a limit, so that Ctrl-C is heard
                if self._newest:
                    item = self._newest.pop()
                elif self._error is not None:
                    raise self._error
                else:
                    return
            yield item

    def _read(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    self.lost += len(self._newest)
                    self._newest[:] = [item]
                    self._changed.notify()
                if self._stop:
                    break
        except BaseException as error:  # raised again for the caller
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()
