"""Open a gallery by its path: a folder of people, an index, or embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from likewise.data.embeddings import read_embeddings, require_same_embedder
from likewise.errors import InputError
from likewise.recognition.folder_gallery.folder_gallery import FolderGallery
from likewise.recognition.folder_gallery.report import FolderReport
from likewise.recognition.gallery import Gallery
from likewise.recognition.index_gallery import IndexGallery
from likewise.recognition.people_gallery import PeopleGallery
from likewise.recognition.recognizer import Recognizer
from likewise.search.interface import open_index
from likewise.search.storage.folder import HEADER

__all__ = ["OpenedGallery", "open_gallery"]


class OpenedGallery(NamedTuple):
    """A gallery, and what became of the photos of its folder.

    Args:
        gallery: the people.
        report: of a folder; None for an index or embeddings.
    """

    gallery: Gallery
    report: FolderReport | None = None


def open_gallery(
    path: str | Path | FolderGallery,
    recognizer: Recognizer,
    *,
    fpir: float | None = None,
    fmr: float | None = None,
    threshold: float | None = None,
    prior: float = 0.5,
) -> OpenedGallery:
    """Open a gallery; a folder of people is brought up to date first.

    Args:
        path: a folder with one subfolder per person, an index with identities, embeddings with
            identities (.parquet), or a ``FolderGallery``.
        recognizer: in use.
        fpir, fmr, threshold: see ``open_set_threshold``.
        prior: see ``Gallery``.

    Raises:
        InputError: it is none of these, is of another embedder, or knows no identities.
    """
    if isinstance(path, FolderGallery):
        if path.recognizer.settings != recognizer.settings:
            raise InputError("gallery: its recogniser is another one than that of the photos")
        report = path.update()
        return OpenedGallery(
            path.gallery(fpir=fpir, fmr=fmr, threshold=threshold, prior=prior), report
        )
    path = Path(path)
    embedder = recognizer.embedder
    if (path / HEADER).exists():
        index = open_index(path, fingerprint=embedder.fingerprint)
        found = IndexGallery(
            index, embedder, str(path), fpir=fpir, fmr=fmr, threshold=threshold, prior=prior
        )
        return OpenedGallery(found)
    if path.suffix.lower() == ".parquet" and path.is_file():
        stored = read_embeddings(path)
        require_same_embedder(embedder.fingerprint, stored.fingerprint, str(path))
        if "identity" not in stored.items.column_names:
            raise InputError(f"{path}: no column identity: it does not say who is on each photo")
        people = [str(name) for name in stored.items["identity"].to_pylist()]
        gallery = PeopleGallery(
            stored.vectors, people, stored.names, embedder,
            fpir=fpir, fmr=fmr, threshold=threshold, prior=prior,
        )  # fmt: skip
        return OpenedGallery(gallery)
    if path.is_file():
        raise InputError(
            f"{path}: is no gallery; give a folder with one subfolder per person, an index, or "
            "embeddings (.parquet)"
        )
    return open_gallery(
        FolderGallery(path, recognizer), recognizer, fpir=fpir, fmr=fmr, threshold=threshold,
        prior=prior,
    )  # fmt: skip
