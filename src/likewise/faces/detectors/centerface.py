"""CenterFace: faces as points of a heat map (Xu, Yan, Wu, Zhang 2019); MIT license, WIDER FACE.

It gives fewer false faces than YuNet and takes some ten times as long. Decoding as in the authors'
``centerface.py``: cells of four pixels, row by row; size = exp(scale) · 4, centre = (cell + offset
+ ½) · 4; scales, offsets and points are stored with y first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from likewise.arguments import check_number
from likewise.faces.detectors.detector import Detections, register_detector
from likewise.faces.detectors.network import MAX_EXPONENT, network_input, open_network
from likewise.faces.detectors.suppression import suppress

__all__ = ["CenterFace"]

STRIDE = 4
OUTPUTS = ("537", "538", "539", "540")  # heat map, scale, offset, points


@register_detector("centerface")
class CenterFace:
    """The slow detector with few false faces; get it by ``likewise models fetch centerface``.

    Args:
        least_score: detections below it are left out.
        overlap: intersection over union above which the weaker of two detections goes.

    Raises:
        MissingExtra: the extra ``faces`` is not installed.
        LikewiseError: the weights are not at hand.
    """

    name = "centerface"

    def __init__(self, least_score: float = 0.5, overlap: float = 0.3) -> None:
        self.least_score = check_number("least_score", least_score, least=0, most=1)
        self.overlap = check_number("overlap", overlap, least=0, most=1)
        open_network("centerface")  # what is missing is told at once

    def detect(self, pixels: NDArray[np.uint8], least_score: float | None = None) -> Detections:
        """The faces in RGB pixels uint8 [H,W,3]; see ``Detector``."""
        session = open_network("centerface")
        given = {session.get_inputs()[0].name: network_input(pixels)}
        heat, scale, offset, points = (part[0] for part in session.run(OUTPUTS, given))
        least = self.least_score if least_score is None else least_score
        found = _decode(heat[0], scale, offset, points, least)
        return found.take(suppress(found.boxes, found.scores, self.overlap))


def _decode(
    heat: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    points: NDArray[np.float32],
    least: float,
) -> Detections:
    """Detections of a heat map [H,W], scales and offsets [2,H,W] and points [10,H,W]."""
    y, x = np.nonzero(heat >= least)
    cells = np.stack([x, y], 1).astype(np.float32)
    sizes = np.exp(np.minimum(scale[::-1, y, x].T, MAX_EXPONENT)) * STRIDE
    centres = (cells + offset[::-1, y, x].T + 0.5) * STRIDE
    corners = centres - sizes / 2
    places = points[:, y, x].T.reshape(-1, 5, 2)[..., ::-1]  # shares of the size, from the corner
    return Detections(
        np.concatenate([corners, sizes], 1),
        corners[:, None] + places * sizes[:, None],
        heat[y, x],
    )
