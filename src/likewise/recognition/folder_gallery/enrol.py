"""Which face of which photo stands for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from likewise.recognition.folder_gallery.record import PhotoRecord
from likewise.recognition.folder_gallery.report import FolderReport
from likewise.recognition.folder_gallery.scan import FolderScan, FoundPhoto

__all__ = ["Enrolled", "enrol"]

ALIKE = 0.3  # cosine: the person's face in a group photo is more alike than that


class Enrolled(NamedTuple):
    """A face of a person.

    Args:
        person: the name of the subfolder.
        photo: its path below the gallery's folder.
        vector: float32 [D], of unit length.
        poor: the face is poor.
    """

    person: str
    photo: str
    vector: NDArray[np.float32]
    poor: bool


def enrol(
    found: FolderScan, records: Mapping[str, PhotoRecord], report: FolderReport
) -> list[Enrolled]:
    """The face of each photo that stands for its person; the report says what is left out.

    A photo with several faces, of which it is not clear which is meant, stands for the person by
    the face that is most like the person's other photos. It is left out if none is, or if there are
    no others: it may show the person's friend.

    Args:
        found: the photos of the folder.
        records: of the readable ones, by name.
        report: is filled in.
    """
    twice = _under_two_people(found, records, report)
    photos: list[tuple[FoundPhoto, PhotoRecord]] = []
    seen: set[str] = set()
    for photo in found.photos:
        record = records.get(photo.name)
        if record is None or record.sha256 in twice:
            continue
        if not len(record.vectors):
            report.no_face.append(photo.name)
        elif record.sha256 not in seen:  # a copy in the same folder adds nothing
            seen.add(record.sha256)
            photos.append((photo, record))
    means = _means([(photo.person, r.vectors[0]) for photo, r in photos if len(r.vectors) == 1])
    enrolled = []
    for photo, record in photos:
        row = _row_of_person(record, means.get(photo.person))
        if row is None:
            report.unclear.append(photo.name)
            continue
        if len(record.vectors) > 1:
            report.several.append(photo.name)
        if record.poor[row]:
            report.poor[photo.name] = record.poor[row]
        enrolled.append(
            Enrolled(photo.person, photo.name, record.vectors[row], bool(record.poor[row]))
        )
    people = {one.person for one in enrolled}
    report.people, report.photos = len(people), len(enrolled)
    report.without_face = [person for person in found.people if person not in people]
    return enrolled


def _under_two_people(
    found: FolderScan, records: Mapping[str, PhotoRecord], report: FolderReport
) -> set[str]:
    """The contents that lie in the folders of two people."""
    first: dict[str, FoundPhoto] = {}
    twice: set[str] = set()
    for photo in found.photos:
        record = records.get(photo.name)
        if record is None:
            continue
        one = first.setdefault(record.sha256, photo)
        if one.person != photo.person:
            report.twice.append((one.name, photo.name))
            twice.add(record.sha256)
    return twice


def _means(rows: list[tuple[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    sums: dict[str, NDArray[np.float32]] = {}
    for person, vector in rows:
        sums[person] = sums[person] + vector if person in sums else vector
    return {person: vector / np.linalg.norm(vector) for person, vector in sums.items()}


def _row_of_person(record: PhotoRecord, mean: NDArray[np.float32] | None) -> int | None:
    if len(record.vectors) == 1:
        return 0
    if mean is None:
        return None
    alike = record.vectors @ mean
    row = int(np.argmax(alike))
    return row if alike[row] > ALIKE else None
