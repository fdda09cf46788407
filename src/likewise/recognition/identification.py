"""Who is on a photo? From photos and a gallery to names, one face at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from likewise.data.images import BadImage, ImageSource
from likewise.errors import InputError
from likewise.faces.explain import why_no_face
from likewise.models.embedder import Embedder
from likewise.recognition.folder_gallery.folder_gallery import FolderGallery
from likewise.recognition.galleries import open_gallery
from likewise.recognition.gallery import Answer, Gallery
from likewise.recognition.named import recognizer_of
from likewise.recognition.poor import why_poor
from likewise.recognition.recognizer import RecognizedFace, Recognizer

__all__ = ["IdentifiedFace", "IdentifiedPhoto", "identify", "identify_each"]


@dataclass(frozen=True, eq=False)
class IdentifiedFace:
    """A face and who it is.

    Args:
        face: where it is, and its embedding.
        answer: the person, or unknown.
        poor: why it may not be recognised; empty for a good face.
    """

    face: RecognizedFace
    answer: Answer
    poor: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class IdentifiedPhoto:
    """The faces of a photo and who they are.

    Args:
        name: of the photo.
        faces: largest first; nobody is named twice.
        problem: why the photo cannot be read; empty if it can.
        no_face: why no face was found; empty if there is one.
    """

    name: str
    faces: tuple[IdentifiedFace, ...] = field(default=())
    problem: str = ""
    no_face: str = ""

    @property
    def names(self) -> list[str]:
        """The people who were recognised, from left to right."""
        known = [one for one in self.faces if one.answer.name is not None]
        return [str(one.answer.name) for one in sorted(known, key=lambda o: o.face.face.box[0])]


def identify(
    photos: ImageSource | Iterable[ImageSource],
    gallery: str | Path | FolderGallery | Gallery,
    model: str | Path | Embedder | Recognizer = "sface",
    *,
    fpir: float | None = None,
    fmr: float | None = None,
    threshold: float | None = None,
    prior: float = 0.5,
    flip: bool = False,
    device: str = "cpu",
) -> list[IdentifiedPhoto]:
    """Find the faces of photos, and name those that are in a gallery.

    A photo that cannot be read, or holds no face, has no names and says why; it never ends the
    work.

    Args:
        photos: paths, encoded bytes, PIL images or uint8 pixels; or one.
        gallery: a folder with one subfolder per person, an index with identities, embeddings
            (.parquet), or a ``Gallery``, for which the thresholds were chosen when it was made. A
            folder, or ``FolderGallery``, is embedded once; later calls embed only what is new.
        model: a name or a path as for ``likewise.load``, an embedder, or a ``Recognizer``, which
            saves loading it again.
        fpir: the probability that a stranger is taken for anyone of the gallery; .01 by default.
        fmr: the false match rate of one comparison instead.
        threshold: the lowest score at which a face is named, instead.
        prior: the probability that a face shows someone of the gallery before it is looked at.
        flip: add the embedding of the mirrored faces.
        device: of a model that is loaded here.

    Raises:
        InputError: the gallery is none, is of another model, or an argument is out of range.
        MissingExtra: the extra ``faces`` is not installed.

    Example:
        >>> import likewise
        >>> (found,) = likewise.identify(landscape, photos, model, threshold=0.5)
        >>> found.names
        []
    """
    recognizer = recognizer_of(model, flip=flip, device=device)
    if not isinstance(gallery, Gallery):
        gallery = open_gallery(
            gallery, recognizer, fpir=fpir, fmr=fmr, threshold=threshold, prior=prior
        ).gallery
    elif any(rate is not None for rate in (fpir, fmr, threshold)):
        raise InputError("fpir, fmr, threshold: were chosen when the gallery was made")
    alone = isinstance(photos, str | Path | bytes | Image.Image) or (
        isinstance(photos, np.ndarray) and photos.ndim < 4
    )
    sources: list[ImageSource] = [photos] if alone else list(photos)  # type: ignore[list-item, arg-type]  # narrowed by ``alone``
    return list(identify_each(sources, gallery, recognizer))


def identify_each(
    photos: Sequence[ImageSource], gallery: Gallery, recognizer: Recognizer
) -> Iterator[IdentifiedPhoto]:
    """The photos with their names, one after the other, as they are done; see ``identify``."""
    found = recognizer.recognize_many(photos)
    for number, (photo, one) in enumerate(zip(photos, found, strict=True), 1):
        name = str(photo) if isinstance(photo, str | Path) else f"photo {number}"
        if isinstance(one, BadImage):
            yield IdentifiedPhoto(name, problem=one.reason)
            continue
        faces = one.faces
        poor = [why_poor(face) for face in faces]
        answers: list[Answer] = []
        if faces:
            vectors = np.stack([face.vector for face in faces])
            answers = gallery.identify(vectors, same_photo=True, poor=[bool(some) for some in poor])
        yield IdentifiedPhoto(
            name,
            tuple(IdentifiedFace(*row) for row in zip(faces, answers, poor, strict=True)),
            no_face=why_no_face(one.found, all_scales=True),
        )
