"""A folder of people as a gallery: its photos are embedded once, and followed as they change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from likewise.data.images import BadImage
from likewise.data.reader import read_ahead
from likewise.data.store import MAX_PHOTO_BYTES
from likewise.errors import InputError
from likewise.faces.face import Face
from likewise.progress import progress
from likewise.recognition.choice import choose, prominent
from likewise.recognition.folder_gallery.cache import GalleryCache
from likewise.recognition.folder_gallery.record import PhotoRecord
from likewise.recognition.folder_gallery.scan import FolderScan, FoundPhoto, scan
from likewise.recognition.people_gallery import PeopleGallery
from likewise.recognition.poor import why_poor
from likewise.recognition.recognizer import Recognizer

__all__ = ["FolderGallery", "FolderReport"]

BATCH = 32  # photos between two writes of the cache
NO_FACE = "no face"


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
        several: photos with several faces, none much larger than the others: the largest is taken.
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
    poor: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    twice: list[tuple[str, str]] = field(default_factory=list)
    without_face: list[str] = field(default_factory=list)
    left_out: str = ""
    swept: int = 0


class _Read(NamedTuple):
    """A photo whose faces are found; the record alone if its content was known."""

    photo: FoundPhoto
    sha256: str
    faces: list[Face]
    record: PhotoRecord | None = None


class FolderGallery:
    """A folder with one subfolder per person, whose photos show the person.

    The embeddings are kept in the user's cache, never in the folder. Each ``update`` embeds photos
    that are new or changed (by size and time of change, then by content), and forgets those that
    are gone: after it, their embeddings are not on the disk any more. A run that is killed loses at
    most the last 32 photos. Two processes wait for each other.

    Args:
        folder: ``folder/PERSON/…/photo.jpg``.
        recognizer: finds and embeds the faces.
        cache: the folder of all such caches; by default in the user's cache.

    Example:
        >>> from likewise.recognition.folder_gallery.folder_gallery import FolderGallery
        >>> from likewise.recognition.recognizer import Recognizer
        >>> people = FolderGallery(photos, Recognizer(likewise.load(model)), cache=out)
        >>> people.update().without_face  # drawings, no faces
        ['anna', 'bob', 'carl']
    """

    def __init__(
        self, folder: str | Path, recognizer: Recognizer, *, cache: Path | None = None
    ) -> None:
        self.folder = Path(folder)
        self.recognizer = recognizer
        dimension = recognizer.embedder.dimension
        self._cache = GalleryCache(self.folder, recognizer.settings, dimension, cache)
        self._dimension = dimension
        self._enrolled: list[tuple[str, PhotoRecord]] = []

    def update(self) -> FolderReport:
        """Bring the embeddings up to date with the folder.

        Raises:
            InputError: the folder is missing or has no subfolder. What is remembered of it is
                forgotten if it is missing.
            LikewiseError: the cache cannot be written.
        """
        if not self.folder.is_dir():
            self._cache.delete()
            what = "is a file" if self.folder.exists() else "no such folder"
            raise InputError(f"{self.folder}: {what}; a gallery is a folder of people")
        with self._cache.locked():
            found = scan(self.folder)
            report = FolderReport(outside=found.outside, left_out=found.left_out)
            records = self._records(found, report)
            self._cache.forget_elsewhere(records)
            report.swept = self._cache.sweep()
        self._enrol(found, records, report)
        return report

    def gallery(
        self,
        *,
        pooling: str = "mean",
        fpir: float | None = None,
        fmr: float | None = None,
        threshold: float | None = None,
        prior: float = 0.5,
    ) -> PeopleGallery:
        """The people as of the last ``update``; see ``PeopleGallery`` for the arguments."""
        rows = [record for _, record in self._enrolled]
        vectors = np.array([row.vector for row in rows], np.float32).reshape(-1, self._dimension)
        return PeopleGallery(
            vectors,
            [person for person, _ in self._enrolled],
            [row.name for row in rows],
            self.recognizer.embedder,
            poor=[bool(row.poor) for row in rows],
            pooling=pooling,
            fpir=fpir,
            fmr=fmr,
            threshold=threshold,
            prior=prior,
        )

    def _records(self, found: FolderScan, report: FolderReport) -> dict[str, PhotoRecord]:
        """The record of every readable photo; embeds and writes those that are not known."""
        known = self._cache.read()
        records: dict[str, PhotoRecord] = {}
        new: list[FoundPhoto] = []
        for photo in found.photos:
            record = known.get(photo.name)
            if record is not None and (record.size, record.changed) == (photo.size, photo.changed):
                records[photo.name] = record
            else:
                new.append(photo)
        gone = known.keys() - {photo.name for photo in found.photos}
        report.forgotten = len(gone)
        contents = {record.sha256: record for record in known.values()}
        if new:
            with (
                self._cache.appending() as add,
                progress(f"embedding {self.folder.name}", len(new), "photos") as advance,
            ):
                for batch, broken, count in self._embedded(new, contents):
                    add(record for record, _ in batch)
                    records |= {record.name: record for record, _ in batch}
                    report.embedded += sum(is_new for _, is_new in batch)
                    report.broken += broken
                    advance(count)
        if new or gone:
            self._cache.keep(records)
        return records

    def _embedded(
        self, photos: list[FoundPhoto], contents: dict[str, PhotoRecord]
    ) -> Iterator[tuple[list[tuple[PhotoRecord, bool]], list[BadImage], int]]:
        """Batches of records, each with whether it was embedded now, the broken photos, a count."""

        def read(photo: FoundPhoto) -> _Read:
            content = _content(photo)
            sha256 = hashlib.sha256(content).hexdigest()
            record = contents.get(sha256)
            if record is not None:  # renamed, moved or touched
                return _Read(photo, sha256, [], record.at(photo.name, photo.size, photo.changed))
            try:
                return _Read(photo, sha256, self.recognizer.find(content))
            except BadImage as bad:
                raise BadImage(photo.name, bad.reason) from None

        outcomes = read_ahead(photos, read, ahead=BATCH)
        while some := list(islice(outcomes, BATCH)):
            good = [one for one in some if not isinstance(one, BadImage)]
            chosen = [one.faces[choose(one.faces, (0, 0))] for one in good if one.faces]
            embedded = iter(self.recognizer.embed(chosen))
            batch: list[tuple[PhotoRecord, bool]] = []
            for photo, sha256, faces, known in good:
                if known is not None:
                    batch.append((known, False))
                    continue
                values = (photo.name, photo.size, photo.changed, sha256)
                if not faces:
                    batch.append((PhotoRecord(*values, problem=NO_FACE), True))
                    continue
                face = next(embedded)
                count = 1 if prominent(faces) is not None else len(faces)
                record = PhotoRecord(
                    *values, faces=count, poor=why_poor(face), norm=face.norm, vector=face.vector
                )
                batch.append((record, True))
            yield batch, [one for one in some if isinstance(one, BadImage)], len(some)

    def _enrol(
        self, found: FolderScan, records: dict[str, PhotoRecord], report: FolderReport
    ) -> None:
        """Choose the photos that are in the gallery, and say what became of the others."""
        first: dict[str, tuple[str, str]] = {}  # content: the first photo with it, and its person
        twice: set[str] = set()
        for photo in found.photos:
            record = records.get(photo.name)
            if record is None:
                continue
            name, person = first.setdefault(record.sha256, (photo.name, photo.person))
            if person != photo.person:
                report.twice.append((name, photo.name))
                twice.add(record.sha256)
        self._enrolled = []
        seen: set[str] = set()
        for photo in found.photos:
            record = records.get(photo.name)
            if record is None or record.sha256 in twice:
                continue
            if record.vector is None:
                report.no_face.append(photo.name)
                continue
            if record.faces > 1:
                report.several.append(photo.name)
            if record.poor:
                report.poor[photo.name] = record.poor
            if record.sha256 not in seen:  # a copy in the same folder adds nothing
                seen.add(record.sha256)
                self._enrolled.append((photo.person, record))
        people = {person for person, _ in self._enrolled}
        report.people, report.photos = len(people), len(self._enrolled)
        report.without_face = [person for person in found.people if person not in people]


def _content(photo: FoundPhoto) -> bytes:
    if photo.size > MAX_PHOTO_BYTES:
        raise BadImage(photo.name, f"{photo.size:,} bytes; at most {MAX_PHOTO_BYTES:,} are read")
    try:
        return photo.path.read_bytes()
    except OSError as error:
        raise BadImage(photo.name, f"cannot be read ({error.strerror})") from None
