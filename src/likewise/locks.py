"""The lock of a folder, so that one process at a time works in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from likewise.errors import InputError, LikewiseError, cannot_write

__all__ = ["hold_lock"]

log = logging.getLogger(__name__)


@contextmanager
def hold_lock(
    file: Path, busy: str, *, wait: bool = False, advice: str = "choose another place with --out"
) -> Iterator[None]:
    """Hold a lock; it is released when the process ends, however it ends.

    Args:
        file: of the lock; its folder is made if it is not there.
        busy: what to say if another process holds it.
        wait: log ``busy`` and wait, rather than refuse; an empty text is not logged.
        advice: where the folder cannot be written; see ``cannot_write``.

    Raises:
        InputError: another process holds it, and ``wait`` is False.
        LikewiseError: the folder cannot be written.

    Example:
        >>> from likewise.locks import hold_lock
        >>> with hold_lock(out / ".lock", f"{out}: in use"):
        ...     _ = (out / "file").write_text("mine")
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file, fallback_to_soft=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise InputError(busy) from None
            if busy:
                log.warning("%s", busy)
            lock.acquire()
    except NotImplementedError:  # the file system has no locks
        yield
        return
    except OSError as error:
        raise LikewiseError(cannot_write(file.parent, error, advice)) from None
    try:
        yield
    finally:
        lock.release()
