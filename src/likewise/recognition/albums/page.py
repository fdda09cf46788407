"""The page of an album folder: groups to name, faces without a group, photos without a face."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from likewise.pages.environment import named_values, render
from likewise.pages.pictures import data_uri
from likewise.recognition.albums.contents import Contents
from likewise.recognition.albums.groups import Group
from likewise.storage import write_text

__all__ = ["PAGE", "write_page"]

PAGE = "index.html"
MOST_GROUPS, MOST_ALONE, MOST_LINES = 150, 60, 100
TYPICAL, ODD = 9, 3  # faces shown of a large group: the most typical, and the least
MOST_SUGGESTIONS, NEAR = 12, 0.1  # groups almost as alike as the threshold demands


@dataclass(frozen=True)
class ShownFace:
    """A face on the page: its data URI, its number, its photo, and what makes it hard."""

    source: str
    number: int
    photo: str
    reasons: str = ""


@dataclass(frozen=True)
class ShownGroup:
    """A group on the page: its faces, how many are not shown, and the command that names it."""

    group: Group
    typical: list[ShownFace]
    odd: list[ShownFace]
    photos: int
    command: str

    @property
    def rest(self) -> int:
        """How many faces are not shown."""
        return len(self.group.faces) - len(self.typical) - len(self.odd)


def write_page(contents: Contents) -> Path:
    """Write ``index.html``: it is self-contained, bounded in size, and has no scripts.

    Returns:
        The path of the page.

    Raises:
        LikewiseError: it cannot be written.
    """
    builder = _Builder(contents)
    groups = contents.albums.groups.biggest_first()
    named = [group for group in groups if group.name is not None]
    grouped = sum(len(group.faces) for group in groups)
    without, broken = contents.without_faces(), contents.broken()
    alone = builder.alone()
    settings = {"model": contents.albums.model, **contents.albums.settings}
    html = render(
        "albums",
        groups=[builder.shown(group) for group in groups[:MOST_GROUPS]],
        all_groups=len(groups),
        named=len(named),
        photos=len({file.photo for file in contents.files.values()}),
        faces=len(contents.faces),
        grouped=grouped,
        alone=[builder.face(row) for row in alone[:MOST_ALONE]],
        all_alone=len(alone),
        without=[builder.short(path) for path in without[:MOST_LINES]],
        all_without=len(without),
        broken=[(builder.short(one.path), one.reason) for one in broken[:MOST_LINES]],
        all_broken=len(broken),
        suggestions=builder.suggestions(groups),
        command=builder.command,
        settings=named_values(settings),
    )
    write_text(contents.folder / PAGE, html)
    return contents.folder / PAGE


class _Builder:
    """What the template shows, from the contents of the folder."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.row = {face: row for row, face in enumerate(contents.faces.numbers)}
        self.vectors = contents.faces.vectors
        self.path: dict[str, str] = {}
        for path in sorted(contents.files):
            self.path.setdefault(contents.files[path].photo, path)
        self.command = f"likewise cluster --out {_quoted(contents.folder)}"
        folders = {os.path.dirname(path) for path in contents.files}  # noqa: PTH120  # text, not files
        try:
            self.top = os.path.commonpath(folders)
        except ValueError:  # no photos, or on two drives
            self.top = ""

    def short(self, path: str) -> str:
        """A path below the folder that all photos share."""
        return os.path.relpath(path, self.top) if self.top else path

    def face(self, row: int) -> ShownFace:
        """A face on the page."""
        table = self.contents.faces
        image = table.faces["thumbnail"][row].as_py() or b""
        photo = self.short(self.path.get(table.photos[row], ""))
        reasons = ", ".join(table.faces["reasons"][row].as_py() or ())
        return ShownFace(data_uri(image), table.numbers[row], photo, reasons)

    def shown(self, group: Group) -> ShownGroup:
        """A group with its most typical faces first, and its least typical ones last."""
        rows = self._rows(group)
        inside = self.vectors[rows].astype(np.float64)
        order = np.argsort(-(inside @ inside.sum(axis=0)), kind="stable")
        rows = [rows[place] for place in order]
        odd = rows[-ODD:] if len(rows) > TYPICAL + ODD else []
        typical = rows[:TYPICAL] if odd else rows
        photos = len({self.contents.faces.photos[row] for row in rows})
        return ShownGroup(
            group, [self.face(row) for row in typical], [self.face(row) for row in odd], photos,
            f"{self.command} --name {group.number}=NAME",
        )  # fmt: skip

    def alone(self) -> list[int]:
        """The rows of faces in no group; the clearest first."""
        of_face = self.contents.albums.groups.of_face()
        good, _ = self.contents.faces.clarity()
        rows = [row for face, row in self.row.items() if face not in of_face]
        return sorted(rows, key=lambda row: (not good[row], row))

    def suggestions(self, groups: Sequence[Group]) -> list[tuple[ShownFace, ShownFace, str, str]]:
        """Pairs of groups that may be one person: faces of both, their titles, and the command."""
        groups = [group for group in groups if self._rows(group)][: 4 * MOST_GROUPS]
        if len(groups) < 2:
            return []
        means = np.stack([self._mean(group) for group in groups])
        scores = np.triu(means @ means.T, 1)
        low = float(self.contents.albums.settings.get("threshold", 1.0)) - NEAR
        pairs = [
            (-float(scores[left, right]), int(left), int(right))
            for left, right in zip(*np.nonzero(scores >= low), strict=True)
            if not (groups[left].edited and groups[right].edited)  # the user keeps them apart
        ]
        found = []
        for score, left, right in sorted(pairs)[:MOST_SUGGESTIONS]:
            one, other = groups[left], groups[right]
            first, second = (self.shown(group).typical[0] for group in (one, other))
            text = f"{one.title} and {other.title} (mean cosine {-score:.2f})"
            if one.name is None and other.name is not None:
                one, other = other, one
            command = f"{self.command} --join {one.number},{other.number}"
            found.append((first, second, text, command))
        return found

    def _mean(self, group: Group) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = self.vectors[self._rows(group)].astype(np.float64).mean(axis=0)
        return mean

    def _rows(self, group: Group) -> list[int]:
        """The rows of its faces; one whose file was deleted has none until the next run."""
        return [self.row[face] for face in sorted(group.faces) if face in self.row]


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
