"""Which folders name the people, where folders lie in folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from likewise.errors import InputError

__all__ = ["IdentityLevel", "identity_level"]

SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
HINT = (
    "name the people by a table instead: a CSV with the columns path and identity, and --root "
    "with this folder"
)

Folder = tuple[str, ...]


@dataclass(frozen=True)
class IdentityLevel:
    """Where a photo's path says whom it shows.

    Args:
        wrapping: how many folders at the front hold everything; they name nobody.
        split: the place of the folder that names the side (train, val, test), or None.
        first: the place of the first folder of the identity, not counting that of the side.
        last: that of the last one, likewise; what lies deeper is the person's own.
        told: what a reader should know of it, in words; empty if the first folder names the
            person.
    """

    wrapping: int = 0
    split: int | None = None
    first: int = 0
    last: int = 0
    told: str = ""

    def identity(self, folder: Folder) -> str | None:
        """Whom the photos in a folder show; None if they lie loose above the people."""
        own = folder if self.split is None else _without(folder, self.split)
        return "/".join(own[self.first : self.last + 1]) if len(own) > self.last else None

    def side(self, folder: Folder) -> str | None:
        """The side on which a folder lies: train, val or test; None without such folders."""
        return None if self.split is None else SPLITS[folder[self.split].lower()]


def _without(folder: Folder, place: int) -> Folder:
    return folder[:place] + folder[place + 1 :]


def identity_level(folders: Iterable[Folder], where: str) -> IdentityLevel:
    """Find the level whose folders name the people, by which folders hold photos.

    The first level whose folders all hold photos names the people. Above it there may be folders
    that wrap everything, folders called train, val and test, and folders that group the people
    (``men``, ``women``), whose names become part of the identity.

    Args:
        folders: those in which a photo lies, each as the names on the way to it.
        where: what is read, for messages.

    Raises:
        InputError: on one level some folders hold photos and others hold folders of them, or it
            is not clear which of two levels names the people; says which folders.
    """
    holding = set(folders)
    level, wrapping, first = 0, 0, 0
    split: int | None = None
    told: list[str] = []
    while True:
        here = {folder[: level + 1] for folder in holding if len(folder) > level}
        below: defaultdict[Folder, set[Folder]] = defaultdict(set)  # the folders with photos
        for folder in holding:
            if len(folder) > level + 1:
                below[folder[: level + 1]].add(folder)
        nested = here - holding
        names = {folder[-1] for folder in here}
        if split is None and len(here) > 1 and all(name.lower() in SPLITS for name in names):
            if not below:
                raise InputError(
                    f"{where}: the photos lie loose in {_list(names)}; put each person's photos "
                    "into a folder of its own in there"
                )
            split = level
            holding = {_without(folder, level) for folder in holding}
            told.append(f"{_list(names)} are taken for the column split")
            continue  # the sides are looked at as one
        if len(here) == 1 and (here == nested or len(_inner(next(iter(here)), below)) > 1):
            # It holds people; photos beside two folders or more are no person's.
            first += 1
            wrapping += split is None
        elif all(len(below[folder]) == 1 for folder in nested):
            if nested and nested == here:  # the folder inside might as well name the person
                inside = min(min(deep) for deep in below.values())
                told.append(f"a folder inside a person's, such as {'/'.join(inside)}, names nobody")
            break
        elif nested != here:
            raise InputError(_mixed(where, here - nested, nested, below))
        else:
            _require_groups(where, here, below)
        level += 1
    if level and holding:
        person = min(folder for folder in holding if len(folder) > level)[: level + 1]
        told.append(f"people are the folders like {'/'.join(person)}")
    return IdentityLevel(wrapping, split, first, level, "; ".join(told))


def _inner(folder: Folder, below: dict[Folder, set[Folder]]) -> set[str]:
    """The sub-folders of a folder in or below which photos lie."""
    return {deep[len(folder)] for deep in below[folder]}


def _mixed(
    where: str, direct: set[Folder], nested: set[Folder], below: dict[Folder, set[Folder]]
) -> str:
    other = min(nested, key=lambda folder: (-len(below[folder]), folder))
    return (
        f"{where}: {'/'.join(min(direct))} holds photos, but {'/'.join(other)} holds folders of "
        f"photos ({_list(_inner(other, below))}): which of them name people is not clear; put "
        f"every person's folder on one level, or {HINT}"
    )


def _require_groups(where: str, here: set[Folder], below: dict[Folder, set[Folder]]) -> None:
    """Refuse folders of folders that may as well be people with albums as groups of people.

    Groups are few and hold many, and no name is in two of them.
    """
    inner = [name for folder in here for name in _inner(folder, below)]
    if len(set(inner)) == len(inner) and len(here) ** 2 <= len(inner):
        return
    first = min(here)
    album = "/".join((*first, min(_inner(first, below))))
    raise InputError(
        f"{where}: {len(here):,} folders hold {len(inner):,} folders of photos: whether "
        f"{'/'.join(first)} or {album} names a person is not clear; put each person's photos into "
        f"one folder, or {HINT}"
    )


def _list(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:3]) + (", …" if len(shown) > 3 else "")
