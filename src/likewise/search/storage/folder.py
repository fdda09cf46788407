"""The folder of an index: the names that we write there, and who may write now."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from uuid import uuid4

from likewise.errors import LikewiseError, cannot_write

__all__ = ["ARRAYS", "ENGINE", "HEADER", "TABLES", "alone_in", "part", "remove_others"]

HEADER = "index.json"
ENGINE = "engine"
ARRAYS = ("vectors", "ids", "factor", "frame", "gone", "fresh_vectors", "fresh_ids")
TABLES = ("items", "fresh_items")
LOCK = ".index.lock"

# The whole of a name: what merely resembles it is the user's own.
FOLDERS = re.compile(rf"{ENGINE}-[0-9a-f]{{16}}|\.{ENGINE}\.[0-9a-f]{{8}}\.tmp")
FILES = re.compile(
    rf"({'|'.join(ARRAYS)})-[0-9a-f]{{16}}\.npy|({'|'.join(TABLES)})-[0-9a-f]{{16}}\.parquet"
    rf"|\.({'|'.join((*ARRAYS, *TABLES, re.escape(HEADER)))})\.[0-9a-f]{{8}}\.tmp"
)
# Of file systems that know no locks.
LOCKLESS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}

_turns: dict[Path, Lock] = {}  # folder → whose turn it is among this process's threads


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Make the folder and keep other saves out of it, of threads and of processes; they wait.

    A process that is killed lets go of it by that. Yields whether processes are kept out, too:
    Windows and some network file systems have no such locks.

    Raises:
        LikewiseError: the folder cannot be written.
    """
    with _turns.setdefault(folder.resolve(), Lock()):
        path = folder / LOCK
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = _locked(path)
        except OSError as error:
            raise LikewiseError(cannot_write(folder, error)) from error
        try:
            yield handle is not None
        finally:
            with suppress(OSError):
                path.unlink()
            if handle is not None:
                os.close(handle)


def _locked(path: Path) -> int | None:
    """A handle that holds the lock on the file that is there; None where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Whoever held it has removed the file; then another may hold a new one.
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except FileNotFoundError:
            pass
        except BaseException as error:
            os.close(handle)
            if isinstance(error, OSError) and error.errno in LOCKLESS:
                return None
            raise
        os.close(handle)


@contextmanager
def part(folder: Path, name: str) -> Iterator[Path]:
    """Yield a path for a new file or folder that is to be renamed; what is left there goes.

    Raises:
        LikewiseError: it cannot be written; names the folder.
    """
    path = folder / f".{name}.{uuid4().hex[:8]}.tmp"
    try:
        yield path
    except (OSError, RuntimeError) as error:  # the latter of libraries that write files
        raise LikewiseError(cannot_write(folder, error)) from error
    finally:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def remove_others(folder: Path, kept: Collection[str], among: Collection[str] | None) -> None:
    """Remove what an index has written into its folder and does not need any more.

    Args:
        folder: of the index.
        kept: the names that stay.
        among: the only names that may go; None for all that are of our making, what killed saves
            left behind included.
    """
    for path in list(folder.iterdir()):
        if path.name in kept or (among is not None and path.name not in among):
            continue
        if FOLDERS.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif FILES.fullmatch(path.name) and path.is_file():
            with suppress(OSError):  # it is gone, or another system holds it open
                path.unlink()
