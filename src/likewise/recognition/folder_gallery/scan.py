"""What is in a folder of people: the photos of each, and what is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from likewise.data.formats.folder import walk_photos
from likewise.data.formats.photo_filter import PhotoFilter
from likewise.data.paths import is_hidden

__all__ = ["FolderScan", "FoundPhoto", "no_people", "scan"]


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

    What is read and what is left out, links among it: as ``walk_photos`` says.

    Raises:
        InputError: the folder is missing or cannot be read.
    """
    found, photos = FolderScan(), PhotoFilter(folder)
    for name in walk_photos(folder, photos):
        person, _, rest = name.partition("/")
        if not rest:
            found.outside.append(name)
            continue
        path = folder / name
        with suppress(OSError):  # removed since
            status = path.stat()
            found.photos.append(FoundPhoto(name, person, path, status.st_size, status.st_mtime_ns))
    found.people = sorted(
        {photo.person for photo in found.photos} | {path.name for path in _own_folders(folder)}
    )
    found.left_out = photos.summary()
    return found


def _own_folders(folder: Path) -> Iterator[Path]:
    """The subfolders, also those without a photo; links and hidden ones left out."""
    return (
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.is_symlink() and not is_hidden(path.name)
    )


def no_people(found: FolderScan) -> str:
    """Why a folder without people is no gallery."""
    one = len(found.outside) == 1
    loose = f"{len(found.outside)} {'photo lies' if one else 'photos lie'} in it directly"
    told = "; ".join(filter(None, (loose if found.outside else "", found.left_out)))
    return (
        f"no subfolder{f' ({told})' if told else ''}; a gallery has one subfolder per person, with "
        "photos of the person in it"
    )
