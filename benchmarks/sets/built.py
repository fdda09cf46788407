"""Sets that are made once, as a folder of identities in the cache."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from benchmarks.sets.split import Split
from likewise.cache import ADVICE, cache_folder
from likewise.data.formats import read_manifest
from likewise.errors import LikewiseError, cannot_write
from likewise.locks import hold_lock


def built(name: str, version: int, build: Callable[[Path], None]) -> Split:
    """The set from the cache; it is made there first, if it is not yet there.

    It appears whole or not at all: it is made under a temporary name and renamed.

    Args:
        name: of the set.
        version: raised with every change of what ``build`` writes, so that no older set is read.
        build: writes ``train/IDENTITY/PHOTO`` and ``test/IDENTITY/PHOTO`` into a folder.

    Raises:
        LikewiseError: a source is missing, or the cache cannot be written.
    """
    cache = cache_folder("benchmark-sets")
    folder = cache / f"{name}-{version}"
    with hold_lock(cache / f"{name}.lock", f"{name}: another process makes it", wait=None):
        if not folder.is_dir():
            _make(folder, build)
    return Split(name, read_manifest(folder / "train"), read_manifest(folder / "test"))


def _make(folder: Path, build: Callable[[Path], None]) -> None:
    temporary = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.tmp")
    try:
        temporary.mkdir()
        build(temporary)
        temporary.rename(folder)
    except OSError as error:
        raise LikewiseError(cannot_write(folder, error, ADVICE)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
