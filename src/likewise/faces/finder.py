"""Find the faces of a photo: boxes, points, gate, alignment and quality, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import Image

from likewise.arguments import check_count, check_number
from likewise.data.images import BadImage, ImageSource, decode
from likewise.data.reader import read_ahead
from likewise.faces.alignment.crop import align
from likewise.faces.alignment.templates import template_named
from likewise.faces.candidates import Candidates, candidates_of
from likewise.faces.detectors.detector import DETECTORS, Detector
from likewise.faces.detectors.registry import create_detector
from likewise.faces.face import Face
from likewise.faces.gate import Gate, Rejected
from likewise.faces.landmarks.landmarker import LANDMARKERS, Landmarker
from likewise.faces.landmarks.registry import create_landmarker
from likewise.faces.quality.assess import assess
from likewise.faces.scales import check_scales

__all__ = ["FaceFinder", "PhotoFaces", "find_faces"]

AHEAD = 4  # photos that are decoded in advance: a large one takes 160 MB


@dataclass(frozen=True)
class PhotoFaces:
    """What was found in a photo.

    Args:
        faces: largest first.
        rejected: detections that are no faces, or too doubtful; best score first.
        size: width and height of the upright photo.
    """

    faces: tuple[Face, ...]
    rejected: tuple[Rejected, ...]
    size: tuple[int, int]


class FaceFinder:
    """Finds the faces of photos, upright or turned, and aligns them.

    It can be pickled, and works in threads and processes alike; each process opens its networks.

    Args:
        detector: gives the boxes: a name (see ``list_detectors``) or an object.
        landmarker: gives the points and their score: a name or an object.
        template: where the points lie in a crop, by name.
        size: side of the crops in pixels.
        longest_side: larger photos are shrunk to it for detection; crops come from the original.
        scales: ``auto`` looks again at a larger size where faces are small or doubtful; ``all``
            always looks at four sizes; or the longest sides in pixels.
        least_landmark_score: a detection of 60 pixels or more whose points score less is no face.
        least_side: pixels of the longer side of a box; smaller faces are left out.

    Raises:
        InputError: an unknown name, or a number out of its range.
        MissingExtra: the extra ``faces`` is not installed.

    Example:
        >>> from likewise.faces.finder import FaceFinder
        >>> [face.box for face in FaceFinder().find(photo_a)]
        []
    """

    def __init__(
        self,
        detector: str | Detector | None = None,
        landmarker: str | Landmarker | None = None,
        *,
        template: str = "arcface",
        size: int = 112,
        longest_side: int = 1280,
        scales: str | Sequence[int] = "auto",
        least_landmark_score: float = 0.5,
        least_side: int = 16,
    ) -> None:
        detector = "yunet" if detector is None else detector
        landmarker = "onet" if landmarker is None else landmarker
        self.detector: Detector = (
            create_detector(detector) if isinstance(detector, str) else DETECTORS.checked(detector)
        )
        self.landmarker: Landmarker = (
            create_landmarker(landmarker)
            if isinstance(landmarker, str)
            else LANDMARKERS.checked(landmarker)
        )
        self.template = template_named(template)
        self.size = check_count("size", size, least=16, most=1024)
        self.longest_side = check_count("longest_side", longest_side, least=64, most=8192)
        self.scales = check_scales(scales)
        self.least_landmark_score = check_number(
            "least_landmark_score", least_landmark_score, least=0, most=1
        )
        self.least_side = check_count("least_side", least_side)

    @property
    def alignment(self) -> str:
        """What the crops are aligned to, and by what: two different ones are not comparable."""
        return f"{self.template.name}-{self.size} {self.detector.name}+{self.landmarker.name}"

    def find(self, source: ImageSource) -> list[Face]:
        """The faces of a photo, largest first; none if there are none.

        Args:
            source: a path, encoded bytes, a PIL image or uint8 pixels [H,W,3] in RGB.

        Raises:
            BadImage: the photo cannot be decoded.
        """
        return list(self.examine(source).faces)

    def examine(self, source: ImageSource) -> PhotoFaces:
        """The faces of a photo, and what looked like one and is none; see ``find``."""
        photo = decode(source)
        found = candidates_of(
            photo,
            self.detector,
            self.landmarker,
            Gate(self.detector.least_score, self.least_landmark_score, self.least_side),
            scales=self.scales,
            longest_side=self.longest_side,
        )
        faces = [self._face(photo, found, row) for row in range(len(found.scores))]
        faces.sort(key=lambda face: -face.box[2] * face.box[3])
        return PhotoFaces(tuple(faces), found.rejected, photo.size)

    def find_many(self, sources: Iterable[ImageSource]) -> Iterator[list[Face] | BadImage]:
        """The faces of each photo, in order; a ``BadImage`` is yielded, not raised.

        Threads decode the next photos meanwhile.

        Args:
            sources: paths, encoded bytes, PIL images or pixels; see ``find``.
        """
        for found in self.examine_many(sources):
            yield found if isinstance(found, BadImage) else list(found.faces)

    def examine_many(self, sources: Iterable[ImageSource]) -> Iterator[PhotoFaces | BadImage]:
        """What ``examine`` gives for each photo, in order; see ``find_many``."""
        for photo in read_ahead(sources, decode, ahead=AHEAD):
            yield photo if isinstance(photo, BadImage) else self.examine(photo)

    def _face(self, photo: Image.Image, found: Candidates, row: int) -> Face:
        points = found.points[row]
        crop = align(photo, points, self.template, self.size)
        score, landmark_score = float(found.scores[row]), float(found.landmark_scores[row])
        turn = float(found.turns[row])
        signals, reasons = assess(points, crop, landmark_score, score, turn)
        x, y, width, height = map(float, found.boxes[row])
        return Face(
            (x, y, width, height), points, score, landmark_score, turn, crop, reasons, signals
        )


def find_faces(photo: ImageSource, **settings: Any) -> list[Face]:
    """The faces of a photo, largest first; none if there are none.

    Args:
        photo: a path, encoded bytes, a PIL image or uint8 pixels [H,W,3] in RGB.
        settings: arguments of ``FaceFinder``, such as ``scales="all"``.

    Raises:
        BadImage: the photo cannot be decoded.
        MissingExtra: the extra ``faces`` is not installed.

    Example:
        >>> from likewise.faces.finder import find_faces
        >>> find_faces(photo_a)
        []
    """
    if "scales" in settings:
        settings["scales"] = check_scales(settings["scales"])  # a list is no key of the cache
    return _finder(**settings).find(photo)


@lru_cache(maxsize=8)
def _finder(**settings: Any) -> FaceFinder:
    return FaceFinder(**settings)
