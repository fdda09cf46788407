"""The faces of a frame: one pass of the detector, its weak detections kept apart."""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray

from likewise.faces.detectors.detector import Detections, Detector
from likewise.faces.face import Face
from likewise.faces.finder import FaceFinder

__all__ = ["FrameFaces"]

LEAST_WEAK_SCORE = 0.3  # twice as many false faces as below .6, but none begins a track


class FrameFaces:
    """Finds the faces of frames as ``FaceFinder`` finds those of photos, in one pass.

    A photo is looked at in several sizes, and turned if no face is found; most frames of most
    videos have no face, and a face is seen again in the next frame: one look is enough. Doubtful
    faces get their second look as in photos.

    Args:
        finder: whose settings are used, except for ``scales``.
    """

    def __init__(self, finder: FaceFinder) -> None:
        self._once = _Once(finder.detector)
        self._finder = copy(finder)
        self._finder.detector = self._once

    def find(self, pixels: NDArray[np.uint8]) -> tuple[list[Face], NDArray[np.float32]]:
        """The faces of a frame uint8 [H,W,3], and the boxes [M,4] of weak detections."""
        longest = max(pixels.shape[:2])
        self._finder.scales = (min(longest, self._finder.longest_side),)
        self._once.begin()
        faces = self._finder.find(pixels)
        return faces, self._once.weak * np.float32(longest / max(1, *self._once.shape))


class _Once:
    """A detector that looks at each frame once, and keeps the detections with a low score."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.name, self.least_score = detector.name, detector.least_score
        self.begin()

    def begin(self) -> None:
        """Begin a frame."""
        self.weak = np.empty((0, 4), np.float32)
        self.shape: tuple[int, ...] = ()

    def detect(self, pixels: NDArray[np.uint8], least_score: float | None = None) -> Detections:
        """The detections the first time, and in parts of the frame; none in the turned frame."""
        least = self.least_score if least_score is None else least_score
        if self.shape and sorted(pixels.shape[:2]) != sorted(self.shape):
            return self._detector.detect(pixels, least)
        if self.shape:
            return Detections(*(np.empty((0, *s), np.float32) for s in ((4,), (5, 2), ())))
        self.shape = pixels.shape[:2]
        found = self._detector.detect(pixels, min(least, LEAST_WEAK_SCORE))
        found = Detections.checked(found, self.name)
        self.weak = found.boxes[found.scores < self.least_score]
        return found.take(found.scores >= least)
