"""Read a folder with one sub-folder per identity as a manifest."""

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

__all__ = ["read", "walk_photos"]

NO_UTF8 = "with a name that is not UTF-8"


@register_format(
    "folder", "a folder with one sub-folder per identity", recognises=Path.is_dir, priority=0
)
def read(folder: Path, root: Path | None = None) -> Manifest:  # noqa: ARG001  # the folder is the root
    """Read ``folder/IDENTITY/…/photo.jpg``; see ``identity_level`` for deeper folder trees.

    Files that are not photos (see ``PhotoFilter``), hidden and system files, names that are not
    UTF-8, and what cannot be opened are left out, with one warning. Links to folders outside are
    followed, but no folder is read twice. Rows are sorted by name. In a folder written by Likewise,
    the first sub-folder is always the identity.

    Raises:
        InputError: there is no photo, the photos are not in sub-folders, or it is ambiguous which
            folders are identities.
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


def walk_photos(folder: Path, photos: PhotoFilter) -> Iterator[str]:
    """The photos below a folder, at any depth, as paths relative to it, sorted by name.

    Args:
        folder: where to look; its folders have no meaning.
        photos: decides which files are photos, and counts what is left out.

    Raises:
        InputError: the folder cannot be read.
    """
    for parents, name in _Walk(folder, photos).photos():
        yield "/".join((*parents, name))


class _Walk:
    """Iterates over the photos below a folder, sorted by name."""

    def __init__(self, top: Path, photos: PhotoFilter) -> None:
        self.top, self.filter = top, photos
        self._inside = os.path.realpath(top) + os.sep
        self._entered: set[tuple[int, int]] = set()

    def photos(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """The parent folders of each photo, and its name."""
        # A stack, not recursion: folders may be nested deeper than Python's call limit.
        stack = [_Open((), iter(self._entries(self.top, "")))]
        while stack:
            here = stack[-1]
            entry = next(here.entries, None)
            if entry is None:
                stack.pop()
                if here.photos or not stack:
                    for name in here.empty:
                        self.filter.leave_out("folders without photos", name)
                else:  # only the outermost empty folder is reported
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
        if entry.is_symlink():
            real = os.path.realpath(entry.path) + os.sep
            if real.startswith(self._inside) or self._inside.startswith(real):  # or around all
                return True
        try:
            status = Path(entry.path).stat()
        except OSError:
            return False  # reported when it is opened
        return (status.st_dev, status.st_ino) in self._entered

    def _is_photo(self, entry: os.DirEntry[str], name: str) -> bool:
        if not _is_utf8(entry.name):
            self.filter.leave_out(NO_UTF8, name)
        elif _kind(entry) == "file":
            return self.filter.takes(name, partial(_start, entry.path))
        elif is_hidden(entry.name):
            self.filter.leave_out_hidden(name)
        else:
            self.filter.leave_out("broken links, pipes or devices", name)
        return False


@dataclass
class _Open:
    """A folder being read: its path as names, the remaining entries, and what was found."""

    names: tuple[str, ...]
    entries: Iterator[os.DirEntry[str]]
    photos: int = 0
    empty: list[str] = field(default_factory=list)


def _kind(entry: os.DirEntry[str]) -> str:
    """``folder`` or ``file``, following links; empty if neither."""
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else ""
    except OSError:  # a circular link
        return ""


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _start(path: str) -> bytes:
    """The first bytes of a file; empty if it cannot be opened."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(START_BYTES)
    except OSError:
        return b""
