"""Stamps of photos: with the same stamp, a photo was not changed since it was aligned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from likewise.data.manifest import Manifest

__all__ = ["stamps"]


def stamps(manifest: Manifest) -> Iterator[str]:
    """Yield the stamp of each photo: the size and time of its file, or of what it is stored in."""
    store = "" if manifest.store is None else _stamp_of_container(manifest.root)
    for row in range(len(manifest)):
        if manifest.store is not None:
            yield f"{store}-{manifest.table['place'][row].as_py()}"
            continue
        photo = manifest.photo(row)
        assert isinstance(photo, Path)
        yield _stamp(photo)


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size}-{status.st_mtime_ns}"


def _stamp_of_container(path: Path) -> str:
    """Of a file with photos, or of a folder of such files."""
    if not path.is_dir():
        return _stamp(path)
    files = sorted(file for file in path.iterdir() if file.is_file())
    text = "\n".join(f"{file.name} {_stamp(file)}" for file in files)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
