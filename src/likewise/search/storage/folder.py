"""The folder of an index: its lock, its file names, and the removal of old files."""

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

__all__ = [
    "ENGINE",
    "HEADER",
    "locked_folder",
    "remove_unlisted",
    "temporary_path",
]

HEADER = "index.json"
ENGINE = "engine"
ARRAYS = ("vectors", "ids", "factor", "frame", "gone", "fresh_vectors", "fresh_ids")
TABLES = ("items", "fresh_items")
LOCK = ".index.lock"

# Full matches only: a file with a similar name may be the user's.
FOLDERS = re.compile(rf"{ENGINE}-[0-9a-f]{{16}}|\.{ENGINE}\.[0-9a-f]{{8}}\.tmp")
FILES = re.compile(
    rf"({'|'.join(ARRAYS)})-[0-9a-f]{{16}}\.npy|({'|'.join(TABLES)})-[0-9a-f]{{16}}\.parquet"
    rf"|\.({'|'.join((*ARRAYS, *TABLES, re.escape(HEADER)))})\.[0-9a-f]{{8}}\.tmp"
)
# Errors of file systems without locks.
LOCKLESS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}

_thread_locks: dict[Path, Lock] = {}  # one for each folder


@contextmanager
def locked_folder(folder: Path) -> Iterator[bool]:
    """Create the folder and lock it; saves of other threads and processes wait.

    A killed process releases the lock. Yields whether other processes are locked out, too: Windows
    and some network file systems have no such locks.

    Raises:
        LikewiseError: the folder cannot be written.
    """
    with _thread_locks.setdefault(folder.resolve(), Lock()):
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
    """The handle of the locked lock file; None without lock support."""
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # The previous holder deletes the file; then another process may hold a new one.
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
def temporary_path(folder: Path, name: str) -> Iterator[Path]:
    """Yield a path for a new file or folder, to be renamed; it is deleted if it is left there.

    Raises:
        LikewiseError: it cannot be written; names the folder.
    """
    path = folder / f".{name}.{uuid4().hex[:8]}.tmp"
    try:
        yield path
    except (OSError, RuntimeError) as error:  # RuntimeError: of libraries
        raise LikewiseError(cannot_write(folder, error)) from error
    finally:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def remove_unlisted(folder: Path, kept: Collection[str], among: Collection[str] | None) -> None:
    """Remove files of an index that are not needed any more.

    Args:
        folder: of the index.
        kept: names to keep.
        among: the only names that may be removed; None for all files that an index writes,
            including those of killed saves.
    """
    for path in list(folder.iterdir()):
        if path.name in kept or (among is not None and path.name not in among):
            continue
        if FOLDERS.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif FILES.fullmatch(path.name) and path.is_file():
            with suppress(OSError):  # deleted already, or open elsewhere
                path.unlink()
