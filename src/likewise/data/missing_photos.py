"""A set whose photos are nowhere: one line on why, before each of them is reported as broken."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["require_some_photo"]

SAMPLE = 64  # rows that are looked at first; one that is there is enough


def require_some_photo(manifest: Manifest) -> None:
    """See that the files of a manifest are where its paths lead, as far as one of them shows it.

    Raises:
        InputError: not one is there; names the first, and what is likely to be wrong.
    """
    count = len(manifest)
    if manifest.store is not None or not count:
        return
    sample = np.unique(np.linspace(0, count - 1, SAMPLE).astype(np.int64)).tolist()
    if _any_there(manifest, sample) or _any_there(manifest, range(count)):
        return
    first = manifest.names[0]
    advice = "name the folder that the paths start from with --root"
    if "\\" in first and "/" not in first:
        advice = "its folders are separated by backslashes: write the paths with / between folders"
    raise InputError(
        f"{manifest.root}: of {count:,} photos none is there; the first would be "
        f"{manifest.photo(0)}; {advice}"
    )


def _any_there(manifest: Manifest, rows: Iterable[int]) -> bool:
    return any(isinstance(photo := manifest.photo(row), Path) and photo.exists() for row in rows)
