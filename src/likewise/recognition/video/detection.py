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

    A photo without a face is turned and looked at again; most frames of most videos have no face,
    and four passes each would be wasted on them. A finder that looks at several scales gets the
    first one.

    Args:
        finder: whose settings are used.
    """

    def __init__(self, finder: FaceFinder) -> None:
        self._once = _Once(finder.detector)
        self._finder = copy(finder)
        self._finder.detector = self._once

    def find(self, pixels: NDArray[np.uint8]) -> tuple[list[Face], NDArray[np.float32]]:
        """The faces of a frame uint8 [H,W,3], and the boxes [M,4] of weak detections."""
        self._once.begin()
        faces = self._finder.find(pixels)
        return faces, self._once.weak * np.float32(pixels.shape[1] / max(1, self._once.width))


class _Once:
    """A detector that looks at each frame once, and keeps the detections with a low score."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.name = detector.name
        self._least = float(getattr(detector, "least_score", 0.6))
        self.begin()

    def begin(self) -> None:
        """Begin a frame."""
        self._asked = False
        self.weak, self.width = np.empty((0, 4), np.float32), 0

    def detect(self, pixels: NDArray[np.uint8], least_score: float | None = None) -> Detections:
        """The certain detections the first time, none later."""
        if self._asked:
            return Detections(*(np.empty((0, *shape), np.float32) for shape in ((4,), (5, 2), ())))
        self._asked, self.width = True, pixels.shape[1]
        found = self._detector.detect(pixels, min(self._least, LEAST_WEAK_SCORE))
        certain = found.scores >= (self._least if least_score is None else least_score)
        self.weak = found.boxes[~certain]
        return found.take(certain)
