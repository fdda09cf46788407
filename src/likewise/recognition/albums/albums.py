"""The state of an album folder: groups, names and settings, kept in ``albums.json``."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from likewise.errors import InputError
from likewise.locks import hold_lock
from likewise.recognition.albums.groups import Group, Groups
from likewise.storage import read_json, write_json

__all__ = ["ALBUMS", "Albums", "album_lock", "read_albums", "write_albums"]

ALBUMS = "albums.json"
FORMAT, VERSION = "likewise albums", 1
REMEDY = (
    "restore it from a backup, or delete the folder and group the photos again (names are lost)"
)


@dataclass
class Albums:
    """The groups of faces in an album folder.

    Args:
        groups: with their names and edits.
        model: what the user called the model.
        fingerprint: of the model; vectors of another one cannot be compared.
        generation: grows when all photos are read again.
        next_face: the number of the next face.
        settings: of the last run: ``threshold`` and others.
    """

    groups: Groups = field(default_factory=Groups)
    model: str = ""
    fingerprint: str = ""
    generation: int = 1
    next_face: int = 1
    settings: dict[str, Any] = field(default_factory=dict)


def read_albums(folder: Path) -> Albums:
    """Read the state of an album folder.

    Raises:
        InputError: there is none, it is damaged, or a later version wrote it.
    """
    path = folder / ALBUMS
    if not path.exists():
        raise InputError(f"{folder}: no albums here; make them: likewise cluster PHOTOS --out DIR")
    try:
        values = read_json(path)
    except InputError as error:
        raise InputError(f"{error}; {REMEDY}") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InputError(f"{path}: not the state of albums; {REMEDY}")
    if values.get("version") != VERSION:
        raise InputError(
            f"{path}: version {values.get('version')!r}; this Likewise reads version {VERSION}: "
            "update Likewise"
        )
    try:
        return _albums_of(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: damaged ({reason}); {REMEDY}") from None


def _albums_of(values: dict[str, Any]) -> Albums:
    groups = [
        Group(
            int(entry["number"]),
            None if entry["name"] is None else str(entry["name"]),
            set(map(int, entry["faces"])),
            bool(entry["edited"]),
        )
        for entry in values["groups"]
    ]
    members = [face for group in groups for face in group.faces]
    if len(members) != len(set(members)) or len(groups) != len({g.number for g in groups}):
        raise ValueError("a face or a group occurs twice")
    edits = [
        {
            "what": str(edit["what"]),
            "moved": [[int(face), int(group)] for face, group in edit["moved"]],
            "before": [[int(n), name, bool(edited)] for n, name, edited in edit["before"]],
            "rules": [[int(face), int(group)] for face, group in edit["rules"]],
        }
        for edit in values["edits"]
    ]
    rules = [(int(face), int(group)) for face, group in values["rules"]]
    return Albums(
        Groups(groups, rules, edits, int(values["next_group"])),
        model=str(values["model"]),
        fingerprint=str(values["fingerprint"]),
        generation=int(values["generation"]),
        next_face=int(values["next_face"]),
        settings=dict(values["settings"]),
    )


def write_albums(albums: Albums, folder: Path) -> None:
    """Write the state atomically.

    Raises:
        LikewiseError: it cannot be written.
    """
    groups = albums.groups
    write_json(
        folder / ALBUMS,
        {
            "format": FORMAT,
            "version": VERSION,
            "model": albums.model,
            "fingerprint": albums.fingerprint,
            "generation": albums.generation,
            "next_face": albums.next_face,
            "next_group": groups.next_number,
            "settings": albums.settings,
            "groups": [
                {
                    "number": group.number,
                    "name": group.name,
                    "edited": group.edited,
                    "faces": sorted(group.faces),
                }
                for group in groups.biggest_first()
            ],
            "rules": sorted(map(list, groups.rules)),
            "edits": groups.edits,
        },
    )


def album_lock(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of an album folder, which is made if it is not there.

    Raises:
        InputError: another process works in the folder.
        LikewiseError: the folder cannot be written.
    """
    return hold_lock(folder / ".lock", f"{folder}: another likewise works in it; wait for its end")
