"""What became of the photos of a folder of people."""

from __future__ import annotations

from dataclasses import dataclass, field

from likewise.data.images import BadImage

__all__ = ["FolderReport"]


@dataclass
class FolderReport:
    """What became of the photos of a folder of people.

    Args:
        people: with at least one usable face.
        photos: whose faces are in the gallery.
        embedded: photos that were embedded in this run; the others were remembered.
        forgotten: photos that were remembered and are gone.
        no_face: photos without a face.
        broken: photos that cannot be read, with the reason of each.
        several: photos with several faces, of which it is not clear which is meant: taken is the
            one most like the person's other photos.
        unclear: such photos of which no face is like the person's other photos, or which are all
            that there is of the person: left out.
        poor: photos with a poor face, with its reasons; left out where the person has a better one.
        outside: photos that lie in no subfolder.
        twice: photos that lie under two people, left out of both.
        without_face: people without a usable face.
        left_out: one line on files that are no photos; empty if there are none.
        swept: folders that are gone, whose embeddings were forgotten.
    """

    people: int = 0
    photos: int = 0
    embedded: int = 0
    forgotten: int = 0
    no_face: list[str] = field(default_factory=list)
    broken: list[BadImage] = field(default_factory=list)
    several: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    poor: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    twice: list[tuple[str, str]] = field(default_factory=list)
    without_face: list[str] = field(default_factory=list)
    left_out: str = ""
    swept: int = 0
