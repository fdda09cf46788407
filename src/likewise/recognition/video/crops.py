"""The crops of a track: the best few are kept, and only those that are needed are embedded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from likewise.faces.face import Face
from likewise.recognition.poor import why_poor
from likewise.recognition.recognizer import RecognizedFace

__all__ = ["BestCrops", "Crop", "EmbedFaces", "fill", "mean_vector"]


EmbedFaces = Callable[[list[Face]], Sequence[RecognizedFace]]
"""Such as ``Recognizer.embed``."""

LEAST_SECONDS = 0.4  # between two kept crops: neighbours show the same view and the same blur
ENOUGH = 60.0  # pixels between the eyes from which more do not help


@dataclass(eq=False)
class Crop:
    """An aligned face of one frame.

    Args:
        face: where it is.
        time: of the frame, in seconds.
        vector: float32 [D], of unit length; None until it is embedded.
        norm: the length of the vector before it was normalised: the best sign of quality.
        poor: whether it is too small, blurred or unclear to rely on.
    """

    face: Face
    time: float
    vector: NDArray[np.float32] | None = field(default=None, repr=False)
    norm: float = 0.0
    poor: bool = False
    look: NDArray[np.float32] = field(init=False, repr=False)
    value: float = field(init=False)

    def __post_init__(self) -> None:
        grey = self.face.crop.astype(np.float32).mean(axis=2)
        side = grey.shape[0] // 4 * 4
        self.look = grey[:side, :side].reshape(side // 4, 4, -1, 4).mean(axis=(1, 3))
        self.value = _value(self.face, grey)


def _value(face: Face, grey: NDArray[np.float32]) -> float:
    """How good a crop is before it is embedded: size × score of the points × sharpness."""
    laplacian = (
        grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]
    )
    sharpness = float(laplacian.var()) / (float(grey.var()) + 1.0)
    size = min(face.eye_distance, ENOUGH) / ENOUGH
    # The root, since a noisy crop is not ten times as good as a clean one.
    return size * face.landmark_score * float(np.sqrt(sharpness))


def fill(crops: Iterable[Crop], embed: EmbedFaces) -> None:
    """Embed the crops that are not embedded yet, in one batch."""
    missing = list({id(crop): crop for crop in crops if crop.vector is None}.values())
    if not missing:
        return
    for crop, found in zip(missing, embed([crop.face for crop in missing]), strict=True):
        crop.vector, crop.norm, crop.poor = found.vector, found.norm, bool(why_poor(found))


class BestCrops:
    """The best crops of a track, from different moments.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.crops: list[Crop] = []

    def add(self, crop: Crop) -> None:
        """Keep the crop if it is among the best; of two at nearly one time the better stays."""
        near = [c for c in self.crops if abs(c.time - crop.time) < LEAST_SECONDS]
        if any(other.value >= crop.value for other in near):
            return
        kept = [other for other in self.crops if other not in near]
        self.crops = sorted([*kept, crop], key=lambda c: -c.value)[: self.most]

    @property
    def best(self) -> Crop:
        """By the length of the raw vector where all are embedded, else by what the pixels say."""
        if all(crop.vector is not None for crop in self.crops):
            return max(self.crops, key=lambda crop: crop.norm)
        return self.crops[0]

    def mean(self) -> NDArray[np.float32] | None:
        """The mean of the embedded crops, weighted by their quality, of unit length."""
        return mean_vector([crop for crop in self.crops if crop.vector is not None])


def mean_vector(crops: Sequence[Crop]) -> NDArray[np.float32] | None:
    """The quality-weighted mean of embedded crops [D], of unit length; None if there are none."""
    if not crops:
        return None
    vectors = np.stack([crop.vector for crop in crops if crop.vector is not None])
    total = np.array([crop.norm for crop in crops]) @ vectors
    length = float(np.linalg.norm(total))
    return np.asarray(total / length if length else vectors[0], np.float32)
