"""What an album folder holds: groups, faces and photos together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from likewise.recognition.albums.albums import Albums
from likewise.recognition.albums.found_faces import FaceTable
from likewise.recognition.albums.photos import PhotoFile, Unreadable

__all__ = ["Contents"]


@dataclass(frozen=True)
class Contents:
    """The contents of an album folder.

    Args:
        folder: where it is.
        albums: the groups.
        faces: all faces, those without a group among them.
        files: the files of the photos, by path.
    """

    folder: Path
    albums: Albums
    faces: FaceTable
    files: dict[str, PhotoFile]

    def without_faces(self) -> list[str]:
        """The paths of photos that were read and have no face."""
        problems, have = self.faces.problems(), set(self.faces.photos)
        return sorted(
            path
            for path, file in self.files.items()
            if problems.get(file.photo, "unread") is None and file.photo not in have
        )

    def broken(self) -> list[Unreadable]:
        """The photos that could not be decoded, with the reasons."""
        problems = self.faces.problems()
        return [
            Unreadable(path, reason)
            for path, file in sorted(self.files.items())
            if (reason := problems.get(file.photo)) is not None
        ]
