"""What is in a folder of people: the photos of each, and what is left out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from likewise.data.formats.photo_filter import PhotoFilter
from likewise.data.image_kind import START_BYTES
from likewise.data.paths import is_hidden
from likewise.errors import InputError

__all__ = ["FolderScan", "FoundPhoto", "photos_below", "scan"]


@dataclass(frozen=True)
class FoundPhoto:
    """A photo in the folder of a person.

    Args:
        name: its path below the gallery's folder, with slashes.
        person: the first part of it.
        path: on disk.
        size: bytes.
        changed: when it was last changed, in nanoseconds.
    """

    name: str
    person: str
    path: Path
    size: int
    changed: int


@dataclass
class FolderScan:
    """The photos of a folder of people.

    Args:
        people: the subfolders, sorted, also those without a photo.
        photos: sorted by name.
        outside: photos that lie in no subfolder: nobody's.
        left_out: one line on files that are no photos; empty if there are none.
    """

    people: list[str] = field(default_factory=list)
    photos: list[FoundPhoto] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    left_out: str = ""


def scan(folder: Path) -> FolderScan:
    """List the photos of people: ``folder/PERSON/…/photo.jpg``, at any depth below the person.

    Hidden files are passed over; a link to a file is followed, a link to a folder is not.

    Raises:
        InputError: the folder is missing or cannot be read, or it has no subfolder.
    """
    found = FolderScan()
    photos = PhotoFilter(folder)
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False) and not is_hidden(entry.name):
            found.people.append(entry.name)
            for path in photos_below(Path(entry.path), photos, f"{entry.name}/"):
                name = path.relative_to(folder).as_posix()
                try:
                    status = path.stat()
                except OSError:  # removed since
                    continue
                found.photos.append(
                    FoundPhoto(name, entry.name, path, status.st_size, status.st_mtime_ns)
                )
        elif not entry.is_dir() and photos.takes(entry.name, partial(_start, entry.path)):
            found.outside.append(entry.name)
    if not found.people:
        loose = f"; {len(found.outside)} photos lie in it directly" if found.outside else ""
        raise InputError(
            f"{folder}: no subfolder{loose}; a gallery has one subfolder per person, with photos "
            "of the person in it"
        )
    found.left_out = photos.summary()
    return found


def photos_below(folder: Path, photos: PhotoFilter, prefix: str = "") -> list[Path]:
    """The photos below a folder at any depth, sorted; links to folders are not followed.

    Args:
        folder: where to look.
        photos: decides, and counts what is left out.
        prefix: of the names in that count.

    Raises:
        InputError: the folder cannot be read.
    """
    found: list[Path] = []
    waiting = [(folder, prefix)]
    while waiting:
        here, names = waiting.pop()
        for entry in _entries(here):
            if entry.is_dir(follow_symlinks=False):
                if not is_hidden(entry.name):
                    waiting.append((Path(entry.path), f"{names}{entry.name}/"))
            elif entry.is_file() and photos.takes(
                f"{names}{entry.name}", partial(_start, entry.path)
            ):
                found.append(Path(entry.path))
    return sorted(found)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        raise InputError(f"{folder}: no such folder") from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from None


def _start(path: str) -> bytes:
    """The first bytes of a file; empty if it cannot be opened."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(START_BYTES)
    except OSError:
        return b""
