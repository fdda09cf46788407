"""A folder with one sub-folder an identity, read as a manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from likewise.data.formats.identity_level import IdentityLevel
from likewise.data.formats.labelled_paths import labelled_paths
from likewise.data.formats.photo_filter import PhotoFilter
from likewise.data.formats.registry import register_format
from likewise.data.image_kind import START_BYTES
from likewise.data.manifest import Manifest
from likewise.data.paths import is_hidden
from likewise.data.writers.folder import LIST
from likewise.errors import InputError

__all__ = ["read"]

NO_UTF8 = "with a name that is no UTF-8"


@register_format(
    "folder", "a folder with one sub-folder per identity", recognises=Path.is_dir, priority=0
)
def read(folder: Path, root: Path | None = None) -> Manifest:  # noqa: ARG001  # it is its own root
    """Read ``folder/IDENTITY/…/photo.jpg``; see ``identity_level`` for folders above these.

    What ``PhotoFilter`` takes for no photo is left out, and so are hidden files and folders, those
    of the operating system, names that are no UTF-8, and what cannot be opened; all of it is told
    in one line. A link to a folder outside is followed, but no folder is read twice. The order is
    that of the names, whatever the file system's own. In a folder that Likewise wrote, the first
    sub-folder is the identity, whatever lies in it.

    Raises:
        InputError: there is no photo, the photos lie loose instead of in sub-folders, or it is not
            clear which folders name people.
    """
    photos = PhotoFilter(folder)
    paths: list[str] = []
    folders: list[tuple[str, ...]] = []
    for parents, name in _Walk(folder, photos).photos():
        paths.append("/".join((*parents, name)))
        folders.append(parents)
    ours = IdentityLevel() if (folder / LIST).exists() else None
    found = labelled_paths(paths, folders, photos, ours)
    return Manifest(found.table, folder.joinpath(*found.wrapping))


class _Walk:
    """The photos below a folder, in the order of the names."""

    def __init__(self, top: Path, photos: PhotoFilter) -> None:
        self.top, self.filter = top, photos
        self._inside = os.path.realpath(top) + os.sep
        self._entered: set[tuple[int, int]] = set()

    def photos(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """The folders on the way to each photo, and its name."""
        # A stack, not recursion: a disk may hold deeper folders than Python calls.
        stack = [_Open((), iter(self._entries(self.top, "")))]
        while stack:
            here = stack[-1]
            entry = next(here.entries, None)
            if entry is None:
                stack.pop()
                if here.photos or not stack:
                    for name in here.empty:
                        self.filter.leave_out("folders without photos", name)
                else:  # the outermost is told
                    stack[-1].empty.append("/".join(here.names))
                if stack:
                    stack[-1].photos += here.photos
                continue
            name = "/".join((*here.names, entry.name))
            if _kind(entry) == "folder":
                if self._may_enter(entry, name):
                    inner = iter(self._entries(Path(entry.path), name))
                    stack.append(_Open((*here.names, entry.name), inner))
            elif self._is_photo(entry, name):
                here.photos += 1
                yield here.names, entry.name

    def _entries(self, folder: Path, name: str) -> list[os.DirEntry[str]]:
        try:
            status = folder.stat()
            self._entered.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not name:
                raise InputError(f"{folder}: cannot be read ({error.strerror})") from None
            self.filter.leave_out("folders that cannot be opened", name)
            return []

    def _may_enter(self, entry: os.DirEntry[str], name: str) -> bool:
        if is_hidden(entry.name):
            self.filter.leave_out_hidden(name)
        elif not _is_utf8(entry.name):
            self.filter.leave_out(NO_UTF8, name)
        elif self._is_read_elsewhere(entry):
            self.filter.leave_out("links to folders that are read anyway", name)
        else:
            return True
        return False

    def _is_read_elsewhere(self, entry: os.DirEntry[str]) -> bool:
        if entry.is_symlink() and (os.path.realpath(entry.path) + os.sep).startswith(self._inside):
            return True
        try:
            status = Path(entry.path).stat()
        except OSError:
            return False  # told when it is opened
        return (status.st_dev, status.st_ino) in self._entered

    def _is_photo(self, entry: os.DirEntry[str], name: str) -> bool:
        if not _is_utf8(entry.name):
            self.filter.leave_out(NO_UTF8, name)
        elif _kind(entry) == "file":
            return self.filter.takes(name, partial(_start, entry.path))
        elif is_hidden(entry.name):
            self.filter.leave_out_hidden(name)
        else:
            self.filter.leave_out("links to nowhere, pipes or devices", name)
        return False


@dataclass
class _Open:
    """A folder that is being read: its path as names, what is to come, and what was found."""

    names: tuple[str, ...]
    entries: Iterator[os.DirEntry[str]]
    photos: int = 0
    empty: list[str] = field(default_factory=list)


def _kind(entry: os.DirEntry[str]) -> str:
    """``folder`` or ``file``, of what a link leads to; empty if neither."""
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else ""
    except OSError:  # a link that leads to itself
        return ""


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _start(path: str) -> bytes:
    """The first bytes of a file; none if it cannot be opened."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(START_BYTES)
    except OSError:
        return b""
