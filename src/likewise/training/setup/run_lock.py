"""One run a folder: a second one that starts meanwhile is told so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from likewise.errors import InputError

__all__ = ["run_lock"]

WAIT = 10.0  # seconds: processes of a run that was killed need a moment to be gone


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold ``folder`` while the block runs; the lock goes with the process, however it ends.

    Raises:
        InputError: another process trains there.
    """
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    with (folder / ".lock").open("a") as stream:
        end = time.monotonic() + WAIT
        while True:
            try:
                # Of the process: workers that it forks do not hold it on after its death.
                fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise InputError(
                        f"{folder}: another process trains there; wait for it, stop it, or "
                        "choose another place with --out"
                    ) from None
                time.sleep(0.1)
            except OSError:  # a file system without locks
                break
        yield
