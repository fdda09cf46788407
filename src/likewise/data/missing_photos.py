"""One clear error if none of a manifest's files exists, instead of one per photo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["require_some_photo"]

SAMPLE = 64  # rows checked first; one existing file is enough


def require_some_photo(manifest: Manifest) -> None:
    """Check that at least one file of a manifest exists.

    Raises:
        InputError: none exists; names the first one and the likely cause.
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
        advice = "its paths have backslashes: write / between folders"
    raise InputError(
        f"{manifest.root}: none of the {count:,} photos exists; the first one would be "
        f"{manifest.photo(0)}; {advice}"
    )


def _any_there(manifest: Manifest, rows: Iterable[int]) -> bool:
    return any(isinstance(photo := manifest.photo(row), Path) and photo.exists() for row in rows)
