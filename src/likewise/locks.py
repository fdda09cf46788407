"""The lock of a folder, so that one process at a time works in it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from likewise.errors import InputError, LikewiseError, cannot_write

__all__ = ["hold_lock"]

log = logging.getLogger(__name__)

# What file systems answer that have no locks, such as some network drives.
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})


@contextmanager
def hold_lock(
    file: Path,
    busy: str,
    *,
    wait: float | None = 0.0,
    advice: str = "choose another place with --out",
) -> Iterator[None]:
    """Hold a lock; it is released when the process ends, however it ends.

    On a file system without locks nothing is held.

    Args:
        file: of the lock; its folder is made if it is not there.
        busy: what to say if another process holds it.
        wait: seconds to wait for the other process before it is refused; None: log ``busy``, unless
            it is empty, and wait until the other one ends.
        advice: where the folder cannot be written; see ``cannot_write``.

    Raises:
        InputError: another process holds it, or the file belongs to somebody else.
        LikewiseError: the folder cannot be written.

    Example:
        >>> from likewise.locks import hold_lock
        >>> with hold_lock(out / ".lock", f"{out}: in use"):
        ...     _ = (out / "file").write_text("mine")
    """
    lock = FileLock(file, fallback_to_soft=False)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=wait or 0.0)
        except Timeout:
            if wait is not None:
                raise InputError(busy) from None
            if busy:
                log.warning("%s", busy)
            lock.acquire()
    except PermissionError as error:  # such as the file of another user's run
        raise InputError(f"{file}: {error.strerror}; make it writable, or {advice}") from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, NotImplementedError) or error.errno in NO_LOCKS:
            yield
            return
        raise LikewiseError(cannot_write(file.parent, error, advice)) from None
    try:
        yield
    finally:
        lock.release()
