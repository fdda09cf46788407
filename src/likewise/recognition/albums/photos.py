"""The photos of albums: files below folders, known by their content, so that they may move."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from likewise.data.formats.folder import walk_photos
from likewise.data.formats.photo_filter import PhotoFilter
from likewise.data.store import MAX_PHOTO_BYTES
from likewise.errors import InputError
from likewise.progress import progress
from likewise.storage import new_file, sha256_of

__all__ = [
    "PhotoFile",
    "PhotoList",
    "Unreadable",
    "look_through",
    "read_photos",
    "require_photo_folder",
    "write_photos",
]

PHOTOS = "photos.parquet"
SCHEMA = pa.schema(
    [("path", pa.string()), ("size", pa.int64()), ("mtime", pa.int64()), ("photo", pa.string())]
)


@dataclass(frozen=True)
class PhotoFile:
    """A file that holds a photo.

    Args:
        path: absolute.
        size: in bytes.
        mtime: when it was changed, in nanoseconds.
        photo: the SHA-256 of its content, in hex.
    """

    path: str
    size: int
    mtime: int
    photo: str


@dataclass(frozen=True)
class Unreadable:
    """A photo that cannot be used, and why."""

    path: str
    reason: str


@dataclass
class PhotoList:
    """What a look through a folder found.

    Args:
        files: all photos of the albums by path; those below other folders are kept as they were.
        here: the paths of the photos below the folder.
        new: photos (SHA-256) that were not known.
        moved: files whose content was known under another path that is gone.
        deleted: paths that are gone, and whose content is nowhere else.
        unreadable: photos whose bytes cannot be read.
        left_out: one line on files that are no photos; empty if there are none.
    """

    files: dict[str, PhotoFile]
    here: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    left_out: str = ""

    def path_of(self) -> dict[str, str]:
        """A path of each photo (SHA-256): the first by name."""
        return {
            file.photo: file.path
            for file in sorted(self.files.values(), key=lambda f: f.path, reverse=True)
        }


def read_photos(folder: Path) -> dict[str, PhotoFile]:
    """The photos that an album folder knows, by path; none if it is damaged: it is made anew."""
    path = folder / PHOTOS
    if not path.exists():
        return {}
    try:
        table = pq.read_table(path, schema=SCHEMA)
    except (pa.ArrowException, OSError):
        return {}
    return {row["path"]: PhotoFile(**row) for row in table.to_pylist()}


def write_photos(files: Iterable[PhotoFile], folder: Path) -> None:
    """Write the list of photos atomically.

    Raises:
        LikewiseError: it cannot be written.
    """
    rows = [vars(file) for file in sorted(files, key=lambda f: f.path)]
    with new_file(folder / PHOTOS) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), temporary)


def require_photo_folder(photos: Path) -> None:
    """Check that a folder holds a photo, before anything is made.

    Raises:
        InputError: it is not a folder, cannot be read, or holds no photo.
    """
    if not photos.is_dir():
        problem = "is a file; give the folder of photos" if photos.exists() else "no such folder"
        raise InputError(f"{photos}: {problem}")
    filter_ = PhotoFilter(photos)
    if next(walk_photos(photos.resolve(), filter_), None) is None:
        rest = filter_.summary()
        raise InputError(f"{photos}: no photos in it{f' ({rest})' if rest else ''}")


def look_through(photos: Path, known: dict[str, PhotoFile]) -> PhotoList:
    """Find the photos below a folder, and what changed since the last look.

    A file with the size and the time that it had is not read again.

    Args:
        photos: the folder; nothing is written there.
        known: the photos of the last look, by path.

    Raises:
        InputError: it cannot be read.
    """
    top, filter_ = photos.resolve(), PhotoFilter(photos)
    names = list(walk_photos(top, filter_))
    found = PhotoList({}, left_out=filter_.summary())
    with progress("looking for photos", len(names), "photos") as advance:
        for name in names:
            path = f"{top}/{name}"
            file = _file_of(path, known, found.unreadable)
            if file is not None:
                found.files[path] = file
                found.here.append(path)
            advance(1)
    _compare(found, known, top)
    return found


def _file_of(
    path: str, known: dict[str, PhotoFile], unreadable: list[Unreadable]
) -> PhotoFile | None:
    try:
        status = Path(path).stat()
        old = known.get(path)
        if old is not None and (old.size, old.mtime) == (status.st_size, status.st_mtime_ns):
            return old
        if status.st_size > MAX_PHOTO_BYTES:
            reason = f"{status.st_size:,} bytes; at most {MAX_PHOTO_BYTES:,} are read"
            unreadable.append(Unreadable(path, reason))
            return None
        return PhotoFile(path, status.st_size, status.st_mtime_ns, sha256_of(Path(path)))
    except OSError as error:
        unreadable.append(Unreadable(path, f"cannot be read ({error.strerror or error})"))
        return None


def _compare(found: PhotoList, known: dict[str, PhotoFile], top: Path) -> None:
    """Tell new, moved and deleted photos apart; keep those of other folders."""
    failed = {photo.path for photo in found.unreadable}
    gone = []
    for path, file in known.items():
        if path in found.files:
            continue
        below = path.startswith(f"{top}/")
        if path in failed or not _is_deleted(path, below=below):
            found.files[path] = file  # not reachable now, such as on a disk that is not there
        else:
            gone.append(file)
    old = {file.photo for file in known.values()}
    now = {file.photo for file in found.files.values()}
    lost = {file.photo for file in gone}
    found.new = list(dict.fromkeys(
        found.files[path].photo for path in found.here if found.files[path].photo not in old
    ))  # fmt: skip
    found.moved = [p for p in found.here if p not in known and found.files[p].photo in lost]
    found.deleted = [file.path for file in gone if file.photo not in now]


def _is_deleted(path: str, *, below: bool) -> bool:
    """Whether a photo was deleted; elsewhere than ``below``, only if its own folder is there."""
    try:
        Path(path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return below or Path(path).parent.is_dir()
    except OSError:
        return False  # its folder cannot be opened now
    return below  # it is there, but no photo any more
