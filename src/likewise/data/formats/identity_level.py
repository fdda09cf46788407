"""Find the level of a folder tree whose folders are the identities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from likewise.errors import InputError, first_few

__all__ = ["IdentityLevel", "identity_level"]

SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
HINT = (
    "give the identities in a table instead: a CSV with the columns path and identity, and --root "
    "with this folder"
)

Folder = tuple[str, ...]


@dataclass(frozen=True)
class IdentityLevel:
    """The folders of a photo's path that form its identity and its split.

    Args:
        wrapping: the number of leading folders that contain all photos; they are ignored.
        split: the position of the folder that names the split (train, val, test), or None.
        first: the position of the first folder of the identity, not counting the split folder.
        last: the position of its last folder, likewise; deeper folders are ignored.
        note: a remark for the user; empty if the first folder is the identity.
    """

    wrapping: int = 0
    split: int | None = None
    first: int = 0
    last: int = 0
    note: str = ""

    def identity(self, folder: Folder) -> str | None:
        """The identity of the photos in a folder; None if it is above the level of identities."""
        own = folder if self.split is None else _without(folder, self.split)
        return "/".join(own[self.first : self.last + 1]) if len(own) > self.last else None

    def side(self, folder: Folder) -> str | None:
        """The split of a folder: train, val or test; None if there are no split folders."""
        return None if self.split is None else SPLITS[folder[self.split].lower()]


def _without(folder: Folder, place: int) -> Folder:
    return folder[:place] + folder[place + 1 :]


def identity_level(folders: Iterable[Folder], where: str) -> IdentityLevel:
    """Find the level of the identities from the folders that contain photos.

    It is the first level on which every folder contains photos. Above it there may be folders that
    contain everything, folders named train, val and test, and folders that group the identities
    (``men``, ``women``), whose names become part of the identity.

    Args:
        folders: the folders that directly contain photos, each as a tuple of names.
        where: the source, for messages.

    Raises:
        InputError: on one level some folders contain photos and others contain folders of photos,
            or it is ambiguous which of two levels is the identities; names the folders.
    """
    holding = set(folders)
    level, wrapping, first = 0, 0, 0
    split: int | None = None
    notes: list[str] = []
    while True:
        here = {folder[: level + 1] for folder in holding if len(folder) > level}
        below: defaultdict[Folder, set[Folder]] = defaultdict(set)  # folders with photos
        for folder in holding:
            if len(folder) > level + 1:
                below[folder[: level + 1]].add(folder)
        nested = here - holding
        names = {folder[-1] for folder in here}
        if split is None and len(here) > 1 and all(name.lower() in SPLITS for name in names):
            if not below:
                raise InputError(
                    f"{where}: the photos lie directly in {first_few(sorted(names))}; put the "
                    "photos of each identity into a folder of its own in there"
                )
            split = level
            holding = {_without(folder, level) for folder in holding}
            notes.append(f"{first_few(sorted(names))} become the column split")
            continue  # the splits are merged for the search
        if len(here) == 1 and (here == nested or len(_inner(next(iter(here)), below)) > 1):
            # It contains the identities; photos beside two or more folders belong to none.
            first += 1
            wrapping += split is None
        elif all(len(below[folder]) == 1 for folder in nested):
            if nested and nested == here:  # the inner folder might be the identity instead
                inside = min(min(deep) for deep in below.values())
                notes.append(f"folders inside identities, such as {'/'.join(inside)}, are ignored")
            break
        elif nested != here:
            raise InputError(_mixed(where, here - nested, nested, below))
        else:
            _require_groups(where, here, below)
        level += 1
    if level and holding:
        person = min(folder for folder in holding if len(folder) > level)[: level + 1]
        notes.append(f"the identities are folders such as {'/'.join(person)}")
    return IdentityLevel(wrapping, split, first, level, "; ".join(notes))


def _inner(folder: Folder, below: dict[Folder, set[Folder]]) -> set[str]:
    """The sub-folders of a folder in or below which photos lie."""
    return {deep[len(folder)] for deep in below[folder]}


def _mixed(
    where: str, direct: set[Folder], nested: set[Folder], below: dict[Folder, set[Folder]]
) -> str:
    other = min(nested, key=lambda folder: (-len(below[folder]), folder))
    return (
        f"{where}: {'/'.join(min(direct))} holds photos, but {'/'.join(other)} holds folders of "
        f"photos ({first_few(sorted(_inner(other, below)))}): it is ambiguous which folders are "
        f"identities; put the folders of all identities on one level, or {HINT}"
    )


def _require_groups(where: str, here: set[Folder], below: dict[Folder, set[Folder]]) -> None:
    """Refuse folders that may be identities with albums instead of groups of identities.

    Groups are few, contain many identities each, and no name occurs in two groups.
    """
    inner = [name for folder in here for name in _inner(folder, below)]
    if len(set(inner)) == len(inner) and len(here) ** 2 <= len(inner):
        return
    first = min(here)
    album = "/".join((*first, min(_inner(first, below))))
    raise InputError(
        f"{where}: {len(here):,} folders hold {len(inner):,} folders of photos: it is ambiguous "
        f"whether {'/'.join(first)} or {album} is an identity; put the photos of each identity "
        f"into one folder, or {HINT}"
    )
