"""The recogniser: finds the faces of photos, aligns them and embeds them, in one call."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from likewise.arguments import check_count
from likewise.data.images import BadImage, ImageSource, decode
from likewise.data.reader import read_ahead
from likewise.distances.similarity import unit_and_length
from likewise.faces.face import Face
from likewise.faces.finder import FaceFinder, PhotoFaces
from likewise.models.embedder import Embedder
from likewise.models.inference import forward
from likewise.recognition.aligned_photo import face_of_aligned

__all__ = ["RecognizedFace", "RecognizedPhoto", "Recognizer"]

_log = logging.getLogger(__name__)

PHOTOS = 32  # looked at before the crops that were found are embedded


@dataclass(frozen=True, eq=False)
class RecognizedFace:
    """A face of a photo with its embedding.

    Args:
        face: where it is, its crop, and what makes it hard to recognise.
        vector: float32 [D], of unit length.
        norm: the length of the raw embedding: the network's own measure of quality.
        quality: the share of the network's reference photos with a shorter raw embedding, from 0
            to 1; None if the network has no such reference.
    """

    face: Face
    vector: NDArray[np.float32] = field(repr=False)
    norm: float
    quality: float | None = None


@dataclass(frozen=True, eq=False)
class RecognizedPhoto:
    """The faces of a photo with their embeddings.

    Args:
        faces: largest first.
        found: the size of the photo, and what looked like a face and is none.
    """

    faces: tuple[RecognizedFace, ...]
    found: PhotoFaces


class Recognizer:
    """Finds the faces of photos, aligns them and embeds them. What is no face is not embedded.

    A photo that is itself a crop, aligned as the model expects it, is embedded as it is.

    Args:
        embedder: the model; see ``likewise.load``.
        finder: finds and aligns the faces; by default to the template and the size that the model
            expects.
        flip: add the embedding of each mirrored crop.
        batch_size: crops that are embedded at a time.

    Raises:
        MissingExtra: the extra ``faces`` is not installed.

    Example:
        >>> import likewise
        >>> from likewise.recognition.recognizer import Recognizer
        >>> Recognizer(likewise.load(model)).faces_of(landscape)
        []
    """

    def __init__(
        self,
        embedder: Embedder,
        finder: FaceFinder | None = None,
        *,
        flip: bool = False,
        batch_size: int = 64,
    ) -> None:
        self.embedder = embedder
        self.finder = finder_for(embedder) if finder is None else finder
        self.flip = flip
        self.batch_size = check_count("batch_size", batch_size)

    @property
    def settings(self) -> str:
        """What the vectors depend on: two faces can be compared if it is the same for both."""
        return f"{self.embedder.fingerprint} {self.finder.alignment}{' flip' * self.flip}"

    def faces_of(self, photo: ImageSource) -> list[RecognizedFace]:
        """The faces of a photo with their embeddings, largest first; none if there are none.

        Args:
            photo: a path, encoded bytes, a PIL image or uint8 pixels [H,W,3] in RGB.

        Raises:
            BadImage: the photo cannot be decoded.
        """
        return self.embed(self.examine(photo).faces)

    def faces_of_many(
        self, photos: Iterable[ImageSource]
    ) -> Iterator[list[RecognizedFace] | BadImage]:
        """The faces of each photo, in order; for a photo that cannot be decoded, its ``BadImage``.

        Threads decode the next photos and find their faces, while the faces of several photos are
        embedded together.

        Args:
            photos: paths, encoded bytes, PIL images or uint8 pixels.
        """
        for one in self.recognize_many(photos):
            yield one if isinstance(one, BadImage) else list(one.faces)

    def recognize_many(self, photos: Iterable[ImageSource]) -> Iterator[RecognizedPhoto | BadImage]:
        """Like ``faces_of_many``, with the size of each photo and what looked like a face."""
        outcomes = read_ahead(photos, self.examine, ahead=PHOTOS)
        while some := list(islice(outcomes, PHOTOS)):
            good = [one for one in some if not isinstance(one, BadImage)]
            embedded = iter(self.embed(face for one in good for face in one.faces))
            for one in some:
                if isinstance(one, BadImage):
                    yield one
                else:
                    yield RecognizedPhoto(tuple(islice(embedded, len(one.faces))), one)

    def examine(self, photo: ImageSource) -> PhotoFaces:
        """The faces of a photo, without their embeddings, and what looked like one.

        Raises:
            BadImage: the photo cannot be decoded.
        """
        image = decode(photo)
        aligned = face_of_aligned(image, self.finder)
        if aligned is not None:
            return PhotoFaces((aligned,), (), image.size)
        return self.finder.examine(image)

    def embed(self, faces: Iterable[Face]) -> list[RecognizedFace]:
        """Faces with their embeddings, in order."""
        faces = list(faces)
        found: list[RecognizedFace] = []
        for start in range(0, len(faces), self.batch_size):
            some = faces[start : start + self.batch_size]
            pixels = torch.stack([self.embedder.preprocess.pixels(face.crop) for face in some])
            raw = forward(self.embedder.module, self.embedder.preprocess, pixels, flip=self.flip)
            vectors, lengths = unit_and_length(raw)
            # With the mirrored crop, the length of the mean of both.
            norms = lengths.numpy() / (2 if self.flip else 1)
            for face, vector, norm, quality in zip(
                some, vectors.numpy(), norms, self._qualities(norms), strict=True
            ):
                found.append(RecognizedFace(face, vector, float(norm), quality))
        return found

    def _qualities(self, norms: NDArray[np.floating]) -> list[float | None]:
        reference = self.embedder.norms
        if reference is None:
            return [None] * len(norms)
        return [float(value) for value in reference.quality(norms)]


def finder_for(embedder: Embedder) -> FaceFinder:
    """A finder whose crops have the alignment and the size that a model expects."""
    preprocess = embedder.preprocess
    if preprocess.alignment is None:
        _log.warning(
            "the model does not say that it expects aligned faces: they are aligned as ArcFace's; "
            "of a model of other objects the answers mean nothing"
        )
    size = max(preprocess.height, preprocess.width, 16)
    return FaceFinder(template=preprocess.alignment or "arcface", size=size)
