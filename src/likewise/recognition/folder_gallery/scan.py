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

__all__ = ["FolderScan", "FoundPhoto", "no_people", "photos_below", "scan"]

LINKS = "links to folders, which are not followed"


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

    Hidden files are passed over. A link to a file is followed. A link to a folder is followed if it
    stands for a person and leads out of the gallery.

    Raises:
        InputError: the folder is missing or cannot be read.
    """
    inside = folder.resolve()
    found = FolderScan()
    photos = PhotoFilter(folder)
    for entry in _entries(folder):
        if entry.is_dir() and is_hidden(entry.name):
            photos.leave_out_hidden(entry.name)
        elif entry.is_dir() and entry.is_symlink() and _meet(Path(entry.path).resolve(), inside):
            photos.leave_out(LINKS, entry.name)
        elif entry.is_dir():
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
        elif photos.takes(entry.name, partial(_start, entry.path)):
            found.outside.append(entry.name)
    found.left_out = photos.summary()
    return found


def no_people(found: FolderScan) -> str:
    """Why a folder without people is no gallery."""
    one = len(found.outside) == 1
    loose = f"{len(found.outside)} {'photo lies' if one else 'photos lie'} in it directly"
    told = "; ".join(filter(None, (loose if found.outside else "", found.left_out)))
    return (
        f"no subfolder{f' ({told})' if told else ''}; a gallery has one subfolder per person, with "
        "photos of the person in it"
    )


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
                if is_hidden(entry.name):
                    photos.leave_out_hidden(f"{names}{entry.name}")
                else:
                    waiting.append((Path(entry.path), f"{names}{entry.name}/"))
            elif entry.is_dir():
                photos.leave_out(LINKS, f"{names}{entry.name}")
            elif entry.is_file() and photos.takes(
                f"{names}{entry.name}", partial(_start, entry.path)
            ):
                found.append(Path(entry.path))
    return sorted(found)


def _meet(one: Path, other: Path) -> bool:
    """Whether one folder lies in the other, or is the other."""
    return one.is_relative_to(other) or other.is_relative_to(one)


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
