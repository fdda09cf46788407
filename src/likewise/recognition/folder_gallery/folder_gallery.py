"""A folder of people as a gallery: its photos are embedded once, and followed as they change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from likewise.data.images import BadImage
from likewise.data.reader import read_ahead
from likewise.data.store import MAX_PHOTO_BYTES
from likewise.errors import InputError
from likewise.faces.choice import prominent
from likewise.faces.face import Face
from likewise.faces.finder import PhotoFaces
from likewise.progress import progress
from likewise.recognition.folder_gallery.cache import GalleryCache
from likewise.recognition.folder_gallery.enrol import Enrolled, enrol
from likewise.recognition.folder_gallery.record import PhotoRecord
from likewise.recognition.folder_gallery.report import FolderReport
from likewise.recognition.folder_gallery.scan import FolderScan, FoundPhoto, no_people, scan
from likewise.recognition.people_gallery import PeopleGallery
from likewise.recognition.poor import why_poor
from likewise.recognition.recognizer import Recognizer

__all__ = ["FolderGallery"]

BATCH = 32  # photos between two writes of the cache
MOST_FACES = 16  # of a photo, among which the person is looked for


class _Read(NamedTuple):
    """A photo whose faces are found; the record alone if its content was known."""

    photo: FoundPhoto
    sha256: str
    faces: list[Face]  # that may be the person
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
        >>> import likewise
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
        self._cache = GalleryCache(self.folder, _settings(recognizer), dimension, cache)
        self._dimension = dimension
        self._enrolled: list[Enrolled] = []

    def update(self) -> FolderReport:
        """Bring the embeddings up to date with the folder.

        Raises:
            InputError: the folder is missing or has no subfolder; what is remembered of it is
                forgotten.
            LikewiseError: the cache cannot be written.
        """
        if not self.folder.is_dir():
            self._cache.delete()
            what = "is a file" if self.folder.exists() else "no such folder"
            raise InputError(f"{self.folder}: {what}; a gallery is a folder of people")
        with self._cache.locked():
            found = scan(self.folder)
            if not found.people:
                self._cache.delete()
                raise InputError(f"{self.folder}: {no_people(found)}")
            report = FolderReport(outside=found.outside, left_out=found.left_out)
            records = self._records(found, report)
            self._cache.forget_elsewhere(records)
            report.swept = self._cache.sweep()
        self._enrolled = enrol(found, records, report)
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
        rows = self._enrolled
        vectors = np.array([row.vector for row in rows], np.float32).reshape(-1, self._dimension)
        return PeopleGallery(
            vectors,
            [row.person for row in rows],
            [row.photo for row in rows],
            self.recognizer.embedder,
            poor=[row.poor for row in rows],
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
        self._cache.keep(records)  # a run that was killed may have left others
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
                return _Read(photo, sha256, _of_person(self.recognizer.examine(content)))
            except BadImage as bad:
                raise BadImage(photo.name, bad.reason) from None

        outcomes = read_ahead(photos, read, ahead=BATCH)
        while some := list(islice(outcomes, BATCH)):
            good = [one for one in some if not isinstance(one, BadImage)]
            embedded = iter(self.recognizer.embed(face for one in good for face in one.faces))
            batch: list[tuple[PhotoRecord, bool]] = []
            for photo, sha256, faces, known in good:
                found = list(islice(embedded, len(faces)))
                if known is not None:
                    batch.append((known, False))
                    continue
                vectors = [face.vector for face in found]
                record = PhotoRecord(
                    photo.name, photo.size, photo.changed, sha256,
                    np.array(vectors, np.float32).reshape(-1, self._dimension),
                    tuple(why_poor(face) for face in found),
                )  # fmt: skip
                batch.append((record, True))
            yield batch, [one for one in some if isinstance(one, BadImage)], len(some)


def _settings(recognizer: Recognizer) -> str:
    """All that decides which face of a photo is embedded, and how."""
    finder = recognizer.finder
    return (
        f"{recognizer.settings} {finder.scales} {finder.longest_side} {finder.least_side} "
        f"{finder.least_landmark_score}"
    )


def _of_person(found: PhotoFaces) -> list[Face]:
    """The faces that may be the person: one if it is clear which is meant, else the largest few."""
    row = prominent(found.faces, found.size)
    return list(found.faces[:MOST_FACES]) if row is None else [found.faces[row]]


def _content(photo: FoundPhoto) -> bytes:
    if photo.size > MAX_PHOTO_BYTES:
        raise BadImage(photo.name, f"{photo.size:,} bytes; at most {MAX_PHOTO_BYTES:,} are read")
    try:
        return photo.path.read_bytes()
    except OSError as error:
        raise BadImage(photo.name, f"cannot be read ({error.strerror})") from None
