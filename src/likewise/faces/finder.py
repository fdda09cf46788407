"""Find the faces of a photo: boxes, points, gate, alignment and quality, in one call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.arguments import check_count, check_number
from likewise.data.images import ImageSource, decode
from likewise.faces.alignment.crop import align
from likewise.faces.alignment.templates import template_named
from likewise.faces.detectors.detector import Detections, Detector
from likewise.faces.detectors.suppression import suppress
from likewise.faces.detectors.yunet import YuNet
from likewise.faces.face import Face
from likewise.faces.landmarks.landmarker import Landmarker, Landmarks
from likewise.faces.landmarks.onet import ONet
from likewise.faces.quality.assess import assess

__all__ = ["FaceFinder"]

RIGHT_ANGLES = (90, 270, 180)  # degrees by which a photo without a face is turned and tried again


class FaceFinder:
    """Finds the faces of photos, upright or turned, and aligns them.

    Args:
        detector: gives the boxes; YuNet by default.
        landmarker: gives the points, and a score that false faces do not reach; O-Net by default.
        template: where the points lie in a crop, by name.
        size: side of the crops in pixels.
        longest_side: larger photos are shrunk to it for detection; crops come from the original.
        least_landmark_score: a detection below it is not a face.

    Raises:
        MissingExtra: the extra ``faces`` is not installed.

    Example:
        >>> from likewise.faces.finder import FaceFinder
        >>> [face.box for face in FaceFinder().find(landscape)]
        []
    """

    def __init__(
        self,
        detector: Detector | None = None,
        landmarker: Landmarker | None = None,
        *,
        template: str = "arcface",
        size: int = 112,
        longest_side: int = 1280,
        least_landmark_score: float = 0.5,
    ) -> None:
        self.detector = YuNet() if detector is None else detector
        self.landmarker = ONet() if landmarker is None else landmarker
        self.template = template_named(template)
        self.size = check_count("size", size, least=16, most=1024)
        self.longest_side = check_count("longest_side", longest_side, least=64)
        self.least_landmark_score = check_number(
            "least_landmark_score", least_landmark_score, least=0, most=1
        )

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
        photo = decode(source)
        detections = self._detect(photo)
        landmarks = self.landmarker.locate(photo, detections.boxes)
        keep = landmarks.scores >= self.least_landmark_score
        faces = [self._face(photo, detections, landmarks, int(row)) for row in np.flatnonzero(keep)]
        return sorted(faces, key=lambda face: -face.box[2] * face.box[3])

    def _face(
        self, photo: Image.Image, detections: Detections, landmarks: Landmarks, row: int
    ) -> Face:
        points = landmarks.points[row]
        crop = align(photo, points, self.template, self.size)
        score, landmark_score = float(detections.scores[row]), float(landmarks.scores[row])
        turn = float(landmarks.turns[row])
        signals, reasons = assess(points, crop, landmark_score, score, turn)
        x, y, width, height = map(float, detections.boxes[row])
        return Face(
            (x, y, width, height), points, score, landmark_score, turn, crop, reasons, signals
        )

    def _detect(self, photo: Image.Image) -> Detections:
        """The detections, in pixels of the photo; turned by right angles if there are none."""
        scale = min(1.0, self.longest_side / max(photo.size))
        small = photo
        if scale < 1:
            width, height = (max(1, round(side * scale)) for side in photo.size)
            small = photo.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)
        found = self.detector.detect(np.asarray(small))
        for angle in RIGHT_ANGLES:
            if len(found.scores):
                break
            turned = small.rotate(angle, expand=True)
            found = _turned_back(self.detector.detect(np.asarray(turned)), angle, small.size)
        found = Detections(
            found.boxes / np.float32(scale), found.points / np.float32(scale), found.scores
        )
        return found.take(suppress(found.boxes, found.scores, 0.5))


def _turned_back(found: Detections, angle: int, size: tuple[int, int]) -> Detections:
    """Detections in a photo turned counter-clockwise by ``angle``, in pixels of the photo."""
    width, height = size

    def back(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        places = {90: (width - y, x), 180: (width - x, height - y), 270: (y, height - x)}[angle]
        return np.stack(places, axis=-1)

    one = back(found.boxes[:, 0], found.boxes[:, 1])
    other = back(*(found.boxes[:, :2] + found.boxes[:, 2:]).T)
    low = np.minimum(one, other)
    boxes = np.concatenate([low, np.maximum(one, other) - low], axis=1)
    return Detections(boxes, back(found.points[..., 0], found.points[..., 1]), found.scores)
