"""Edit albums: names, merges, splits and undo, written to disk with the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from likewise.recognition.albums.albums import Albums, album_lock, read_albums, write_albums
from likewise.recognition.albums.contents import Contents
from likewise.recognition.albums.found_faces import read_faces
from likewise.recognition.albums.page import write_page
from likewise.recognition.albums.photos import read_photos

__all__ = ["edit_albums"]


def edit_albums(
    folder: str | Path,
    *,
    names: Mapping[int | str, str] | None = None,
    merge: Iterable[Sequence[int | str]] = (),
    split_off: Iterable[tuple[int | str, Sequence[int]]] = (),
    not_this: Iterable[tuple[int | str, Sequence[int]]] = (),
    undo: int = 0,
) -> Albums:
    """Name, merge and split the groups of an album folder, and write its page again.

    All or nothing: where one edit is refused, none is done. They are done in the order undo,
    not_this, split_off, merge, names.

    Args:
        folder: of the albums.
        names: the name of each group; an empty one takes the name away. A group is given by its
            number or its name.
        merge: groups that are one person; the first one keeps its number.
        split_off: a group, and those of its faces that are another person.
        not_this: a group, and those of its faces that are not this person: they leave the group,
            and further runs do not put them there.
        undo: how many of the last edits to take back.

    Raises:
        InputError: no albums there, or an edit names what does not exist.
        LikewiseError: the folder cannot be written.

    Example:
        >>> import likewise
        >>> likewise.edit_albums("albums/", names={3: "Anna"}, merge=[(3, 7)])  # doctest: +SKIP
    """
    folder = Path(folder)
    read_albums(folder)  # before the lock makes the folder
    with album_lock(folder):
        albums = read_albums(folder)
        groups = albums.groups
        for _ in range(undo):
            groups.undo()
        for group, faces in not_this:
            groups.not_this(group, faces)
        for group, faces in split_off:
            groups.split_off(group, faces)
        for several in merge:
            groups.merge(several)
        for group, name in (names or {}).items():
            groups.name(group, name)
        # All is read before anything is written: a damaged file leaves everything as it was.
        found, photos = read_faces(folder, albums.generation), read_photos(folder)
        write_albums(albums, folder)
        write_page(Contents(folder, albums, found, photos))
    return albums
