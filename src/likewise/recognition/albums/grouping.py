"""Which face belongs to which group: good faces first, then the poor ones; groups only grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from likewise.progress import progress
from likewise.recognition.albums.groups import Group, Groups
from likewise.recognition.albums.linkage import average_linkage

__all__ = ["group_faces", "repeated_in_photo"]

EDITED = -1  # the mark of all groups that the user edited: they are not merged with each other
BLOCK = 2**22  # numbers in one block of scores: 32 MiB


def group_faces(
    groups: Groups,
    numbers: Sequence[int],
    vectors: NDArray[np.float32],
    photos: Sequence[str],
    founds: NDArray[np.bool_],
    joins: NDArray[np.bool_],
    threshold: float,
    *,
    allow_same_photo: bool = False,
) -> None:
    """Add faces to groups, and make new groups of those that belong together.

    Groups stay whole. A group that the user did not edit may be merged into another one, never two
    that were edited. Clear faces found groups; then less clear ones join them.

    Args:
        groups: changed in place.
        numbers: N numbers of faces, those in groups among them.
        vectors: float32 [N,D], of unit length.
        photos: the photo of each face.
        founds: bool [N], whether a face is clear enough to found a group.
        joins: bool [N], whether it is clear enough to join one.
        threshold: the lowest mean cosine of a group.
        allow_same_photo: whether two faces of one photo may be the same person, as in a collage.
    """
    known, place = groups.of_face(), {face: row for row, face in enumerate(numbers)}
    of_row = np.array([known.get(face, 0) for face in numbers], np.int64)  # numbers begin with 1
    marks = _marks(groups, numbers, photos, of_row, place, alone=not allow_same_photo)
    # A face that the user took out of a group looks like that person: it must not draw others away.
    taken_out = np.isin(numbers, [face for face, _ in groups.rules])
    founders = np.flatnonzero((founds & ~taken_out) | (of_row > 0))
    start = np.where(of_row > 0, of_row, -1 - np.arange(len(of_row)))
    clusters = np.full(len(of_row), -1, np.int64)
    first = len(np.unique(start[founders]))
    with progress("grouping", first, "faces") as advance:
        clusters[founders] = average_linkage(
            vectors[founders], threshold,
            apart=[marks[row] for row in founders], start=start[founders], advance=advance,
        )  # fmt: skip
    _attach(clusters, np.flatnonzero((clusters < 0) & joins), vectors, marks, threshold)
    _take_over(groups, clusters, numbers, of_row)


def _marks(
    groups: Groups,
    numbers: Sequence[int],
    photos: Sequence[str],
    of_row: NDArray[np.int64],
    place: dict[int, int],
    *,
    alone: bool,
) -> list[set[int]]:
    """The marks of each face: faces and groups that share one are not merged."""
    marks: list[set[int]] = [set() for _ in numbers]
    count = Counter(photos)
    index = {photo: 1 + number for number, photo in enumerate(count)}
    for row, photo in enumerate(photos):
        if alone and count[photo] > 1:
            marks[row].add(index[photo])
        group = groups.by_number.get(int(of_row[row]))
        if group is not None and group.edited:
            marks[row].add(EDITED)
    first = {int(group): row for row, group in reversed(list(enumerate(of_row)))}
    for number, (face, group_number) in enumerate(sorted(groups.rules)):
        if face in place and group_number in first and of_row[place[face]] != group_number:
            for row in (place[face], first[group_number]):
                marks[row].add(-2 - number)
    return marks


def _attach(
    clusters: NDArray[np.int64],
    poor: NDArray[np.intp],
    vectors: NDArray[np.float32],
    marks: Sequence[set[int]],
    threshold: float,
) -> None:
    """Give each poor face to the nearest one that may take it; the nearest first."""
    members = np.flatnonzero(clusters >= 0)
    if not len(poor) or not len(members):
        return
    count = int(clusters.max()) + 1
    sums = np.zeros((count, vectors.shape[1]))
    np.add.at(sums, clusters[members], vectors[members])
    means = sums / np.bincount(clusters[members], minlength=count)[:, None]
    carried: list[set[int]] = [set() for _ in range(count)]
    for member in members.tolist():
        carried[clusters[member]] |= marks[member]
    offers: list[tuple[float, int, int]] = []
    step = max(1, BLOCK // count)
    for begin in range(0, len(poor), step):
        rows = poor[begin : begin + step]
        scores = vectors[rows].astype(np.float64) @ means.T
        for near, cluster in zip(*np.nonzero(scores >= threshold), strict=True):
            offers.append((-float(scores[near, cluster]), int(rows[near]), int(cluster)))
    for _, row, cluster in sorted(offers):
        if clusters[row] < 0 and not marks[row] & carried[cluster]:
            clusters[row] = cluster
            carried[cluster] |= marks[row]


def _take_over(
    groups: Groups, clusters: NDArray[np.int64], numbers: Sequence[int], of_row: NDArray[np.int64]
) -> None:
    """Make the groups equal to the clusters; a face alone is in no group."""
    rows = np.flatnonzero(clusters >= 0)
    order = rows[np.argsort(clusters[rows], kind="stable")]
    bounds = np.flatnonzero(np.diff(clusters[order])) + 1
    for members in sorted(np.split(order, bounds), key=lambda found: -len(found)):
        faces = {numbers[row] for row in members}
        old = sorted({int(number) for number in of_row[members]} - {0})
        if old:
            winner = _winner([groups.by_number[number] for number in old])
            for number in old:
                if number != winner.number:
                    groups.absorb(winner, groups.by_number[number])
            winner.faces |= faces
        elif len(faces) > 1:
            groups.new_group(faces)


def _winner(found: Sequence[Group]) -> Group:
    """The group that keeps its number: the edited one, else the oldest."""
    return min(found, key=lambda group: (not group.edited, group.number))


def repeated_in_photo(
    vectors: NDArray[np.float32],
    photos: Sequence[str],
    clear: NDArray[np.bool_],
    threshold: float,
) -> list[str]:
    """Photos in which two faces look like one person: collages, mirrors, photos of photos.

    Args:
        vectors: float32 [N,D], of unit length.
        photos: the photo of each face.
        clear: bool [N]: the others are left out, since unclear faces are alike.
        threshold: the lowest cosine of one person.
    """
    rows: dict[str, list[int]] = {}
    for row in np.flatnonzero(clear).tolist():
        rows.setdefault(photos[row], []).append(row)
    found = []
    for photo, inside in rows.items():
        scores = np.triu(vectors[inside] @ vectors[inside].T, 1)
        if scores.max(initial=0.0) >= threshold:
            found.append(photo)
    return found
