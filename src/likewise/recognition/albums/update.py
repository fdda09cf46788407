"""From a folder of photos to albums: find faces, group them, keep what the user said before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from likewise.data.images import BadImage, ImageSource
from likewise.errors import InputError
from likewise.models.operating_point import OperatingPoint
from likewise.progress import progress
from likewise.recognition.albums.albums import (
    ALBUMS,
    Albums,
    album_lock,
    read_albums,
    write_albums,
)
from likewise.recognition.albums.contents import Contents
from likewise.recognition.albums.found_faces import (
    FaceJournal,
    FaceTable,
    read_faces,
    write_faces,
)
from likewise.recognition.albums.grouping import group_faces, repeated_in_photo
from likewise.recognition.albums.groups import Groups
from likewise.recognition.albums.page import write_page
from likewise.recognition.albums.photos import (
    PhotoList,
    Unreadable,
    look_through,
    read_photos,
    require_photo_folder,
    write_photos,
)
from likewise.recognition.albums.threshold import album_threshold
from likewise.recognition.recognizer import RecognizedFace
from likewise.storage import require_writable

__all__ = ["AlbumsRun", "FaceSource", "cluster_photos"]


class FaceSource(Protocol):
    """What finds and embeds faces; ``likewise.recognition.recognizer.Recognizer`` does."""

    @property
    def settings(self) -> str:
        """What the vectors depend on; those of different settings are not comparable."""

    def faces_of_many(
        self, photos: Iterable[ImageSource]
    ) -> Iterator[Sequence[RecognizedFace] | BadImage]:
        """The faces of each photo, in order; its ``BadImage`` if it cannot be decoded."""


@dataclass(frozen=True)
class AlbumsRun:
    """What a run did.

    Args:
        folder: of the albums.
        page: the HTML page in it.
        albums: the groups after the run.
        threshold: the lowest mean cosine of a group.
        threshold_before: that of the run before; None in the first run.
        photos: photos below the folder that was given.
        new: of these, those that were not known.
        moved: files that were known at another place.
        forgotten: files that are gone, whose faces were forgotten.
        lost: names of groups that lost all their photos by it.
        copies: files with the content of another one.
        faces: of all photos.
        grouped: of these, those in a group.
        without_faces: paths of photos without a face.
        broken: photos that cannot be used.
        repeated: paths of photos in which one person seems to occur twice.
        left_out: one line on files that are no photos; empty if there are none.
    """

    folder: Path
    page: Path
    albums: Albums
    threshold: float
    threshold_before: float | None
    photos: int
    new: int
    moved: int
    forgotten: int
    lost: list[str]
    copies: int
    faces: int
    grouped: int
    without_faces: list[str]
    broken: list[Unreadable]
    repeated: list[str]
    left_out: str


def cluster_photos(
    photos: str | Path,
    out: str | Path,
    *,
    model: str = "sface",
    threshold: float | None = None,
    fmr: float | None = None,
    allow_same_photo: bool = False,
    again: bool = False,
    device: str = "auto",
    recognizer: FaceSource | None = None,
) -> AlbumsRun:
    """Group the faces of photos by person: albums with a page on which the groups can be named.

    A second run adds new photos to the groups, and keeps numbers, names, merges and splits. Groups
    grow, and are not taken apart, also by a higher threshold: for that, choose another ``out``.
    Photos are known by their content, so they may be renamed and moved; the faces of deleted photos
    are forgotten. What was found is kept as it comes: an interrupted run is continued.

    Args:
        photos: a folder with photos at any depth; nothing is written there.
        out: the folder of the albums.
        model: the embedder; see ``likewise.load``.
        threshold: the lowest mean cosine of a group; by default what was measured for the model.
        fmr: the false match rate of the threshold, instead of the threshold.
        allow_same_photo: whether two faces of one photo may be the same person, as in a collage.
        again: find and embed all faces anew, for example with another model; names are kept.
        device: to embed on.
        recognizer: finds and embeds the faces, instead of ``model``; then ``threshold`` is needed.

    Raises:
        InputError: no photos, no face in any of them, ``out`` inside ``photos``, damaged albums,
            albums of another model (without ``again``), no threshold measured.
        LikewiseError: ``out`` cannot be written.
        MissingExtra: the extra ``faces`` is not installed.

    Example:
        >>> import likewise
        >>> run = likewise.cluster_photos("photos/", "albums/")  # doctest: +SKIP
        >>> run.albums.groups.biggest_first()[0].title  # doctest: +SKIP
        'group 1'
    """
    top, folder = Path(photos), Path(out)
    _check_place(top, folder)
    require_photo_folder(top)
    require_writable(folder)
    points: Sequence[OperatingPoint] = ()
    if recognizer is None:
        recognizer, points = _recognizer(model, device)
    limit = album_threshold(model, points, threshold, fmr)
    with album_lock(folder):
        old = read_albums(folder) if (folder / ALBUMS).exists() else None
        found = look_through(top, read_photos(folder))
        albums = _albums_for(old, model, recognizer.settings, folder, again=again)
        faces = _find_faces(found, albums, recognizer, folder)
        if old is not None and albums.generation != old.generation:
            _carry_over(albums, read_faces(folder, old.generation), faces)
        faces = faces.of_photos({file.photo for file in found.files.values()})
        if not len(faces):
            raise InputError(f"{photos}: no face in {len(found.here):,} photos{_why(faces)}")
        named = {group.name for group in albums.groups.by_number.values() if group.name}
        albums.groups.forget(set(faces.numbers))
        named -= {group.name for group in albums.groups.by_number.values()}
        group_faces(
            albums.groups, faces.numbers, faces.vectors, faces.photos, *faces.clarity(), limit,
            allow_same_photo=allow_same_photo,
        )  # fmt: skip
        before = albums.settings.get("threshold")
        albums.model = model
        albums.settings = {
            "threshold": limit, "fmr": fmr, "allow_same_photo": allow_same_photo,
            "photos": str(top.resolve()),
        }  # fmt: skip
        # This order: whatever comes between, the next run finds every name and no stale face.
        write_albums(albums, folder)
        write_faces(faces, folder, albums.generation)
        write_photos(found.files.values(), folder)
        contents = Contents(folder, albums, faces, found.files)
        return _finish(contents, found, limit, before, sorted(named))


def _check_place(photos: Path, folder: Path) -> None:
    if folder.resolve() == photos.resolve() or photos.resolve() in folder.resolve().parents:
        raise InputError(
            f"out {folder}: lies in the folder of photos, where nothing is written; choose another"
        )


def _recognizer(model: str, device: str) -> tuple[FaceSource, Sequence[OperatingPoint]]:
    from likewise.models.loading import load
    from likewise.recognition.recognizer import Recognizer

    embedder = load(model, device=device)
    return Recognizer(embedder), embedder.operating_points


def _albums_for(
    old: Albums | None, model: str, settings: str, folder: Path, *, again: bool
) -> Albums:
    """The albums to continue, or those of the next generation with the same names."""
    if old is None:
        begun = read_faces(folder, 1).model
        if begun and begun != settings and not again:
            raise InputError(
                f"{folder}: was begun with another model than {model}; choose another --out, or "
                "begin anew with --again"
            )
        return Albums(Groups(), model, settings, 1 if begun in ("", settings) else 2)
    if not again:
        if old.fingerprint != settings:
            raise InputError(
                f"{folder}: its faces were embedded with another model or version "
                f"({old.model}) than {model}; vectors of two models cannot be compared: choose "
                "another --out, or embed all photos anew with --again (names are kept)"
            )
        return old
    generation = old.generation + 1
    while (begun := read_faces(folder, generation).model) and begun != settings:
        generation += 1
    return Albums(old.groups, model, settings, generation, old.next_face, old.settings)


def _find_faces(
    found: PhotoList, albums: Albums, recognizer: FaceSource, folder: Path
) -> FaceTable:
    """Find the faces of the photos that were not read yet; returns all."""
    faces = read_faces(folder, albums.generation)
    albums.next_face = max([albums.next_face, *(number + 1 for number in faces.numbers)])
    problems = faces.problems()
    paths = found.path_of()
    # A broken photo is tried again: what was missing to read it may be installed now.
    wanted = [photo for photo in paths if problems.get(photo, "unread") is not None]
    if not wanted:
        return faces
    done = len(paths) - len(wanted)
    journal = FaceJournal(folder, albums.generation, albums.fingerprint, albums.next_face)
    try:
        with progress("finding faces", len(paths), "photos", done) as advance:
            stream = recognizer.faces_of_many(Path(paths[photo]) for photo in wanted)
            for photo, one in zip(wanted, stream, strict=True):
                if isinstance(one, BadImage):
                    journal.add(photo, [], one.reason)
                else:
                    journal.add(photo, one)
                advance(1)
    finally:
        journal.flush()  # on Ctrl-C too
    albums.next_face = journal.next_face
    return read_faces(folder, albums.generation)


def _carry_over(albums: Albums, old: FaceTable, new: FaceTable) -> None:
    """Give the groups the faces that lie where their old faces lay; edits cannot be undone."""
    pairs = old.paired_with(new)
    groups = albums.groups
    for group in groups.by_number.values():
        group.faces = {pairs[face] for face in group.faces if face in pairs}
    groups.rules = {(pairs[face], number) for face, number in groups.rules if face in pairs}
    groups.edits.clear()


def _why(faces: FaceTable) -> str:
    """Whether all photos are broken, for the message that there is no face."""
    reasons = [reason for reason in faces.problems().values() if reason]
    return f" ({len(reasons):,} cannot be read; the first: {reasons[0]})" if reasons else ""


def _finish(
    contents: Contents,
    found: PhotoList,
    threshold: float,
    threshold_before: float | None,
    lost: list[str],
) -> AlbumsRun:
    albums, faces = contents.albums, contents.faces
    paths = found.path_of()
    repeated = []
    if not albums.settings["allow_same_photo"]:
        repeated = repeated_in_photo(faces.vectors, faces.photos, faces.clarity()[0], threshold)
    return AlbumsRun(
        contents.folder, write_page(contents), albums, threshold, threshold_before,
        photos=len(found.here),
        new=len(found.new),
        moved=len(found.moved),
        forgotten=len(found.deleted),
        lost=lost,
        copies=len(found.files) - len({file.photo for file in found.files.values()}),
        faces=len(faces),
        grouped=len(albums.groups.of_face()),
        without_faces=contents.without_faces(),
        broken=[*contents.broken(), *found.unreadable],
        repeated=sorted(paths[photo] for photo in repeated),
        left_out=found.left_out,
    )  # fmt: skip
