"""The folder for what can be computed again: it lies in the user's cache, never beside photos."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from likewise.errors import LikewiseError, cannot_write

__all__ = ["ADVICE", "cache_folder", "cache_root", "cache_sizes", "home_folder"]

ADVICE = "name another place with LIKEWISE_CACHE"
"""Where the cache cannot be written."""


def cache_root() -> Path:
    """The folder of the cache; it may not be there yet.

    Raises:
        LikewiseError: neither ``LIKEWISE_CACHE`` nor ``XDG_CACHE_HOME`` names one, and the user
            has no home folder.
    """
    own, shared = os.environ.get("LIKEWISE_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own)
    return (Path(shared) if shared else home_folder() / ".cache") / "likewise"


def home_folder() -> Path:
    """The home folder of the user.

    Raises:
        LikewiseError: there is none, as for a user of a container that has no name.
    """
    try:
        return Path.home()
    except RuntimeError:
        raise LikewiseError(
            "this user has no home folder; set HOME, or name a folder for the cache with "
            "LIKEWISE_CACHE"
        ) from None


def cache_sizes() -> dict[str, int]:
    """The bytes of each kind of derived files in the cache; what cannot be read counts nothing."""
    found: dict[str, int] = {}
    for folder, _, files in os.walk(cache_root()):
        parts = Path(folder).relative_to(cache_root()).parts
        for file in files if parts else ():
            with suppress(OSError):
                size = (Path(folder) / file).lstat().st_size
                found[parts[0]] = found.get(parts[0], 0) + size
    return dict(sorted(found.items()))


def cache_folder(kind: str) -> Path:
    """The folder for one kind of derived files; made if it is not there, for its owner only.

    It lies in ``$LIKEWISE_CACHE``, else in ``$XDG_CACHE_HOME/likewise``, else in
    ``~/.cache/likewise``. Everything in it can be deleted; it is computed again.

    Args:
        kind: its name, such as ``weights``.

    Raises:
        LikewiseError: the folder cannot be made.
    """
    root = cache_root()
    folder = root / kind
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise LikewiseError(cannot_write(folder, error, ADVICE)) from None
    return folder
