"""O-Net, the last network of MTCNN (Zhang et al. 2016): five points and a score of a face's box.

MIT license; trained on WIDER FACE and CelebA. It knows upright faces only: a turned face has to be
turned back first.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from likewise.errors import MissingExtra
from likewise.faces.alignment.crop import cut
from likewise.faces.alignment.similarity import apply, invert
from likewise.faces.landmarks.landmarker import Landmarks, register_landmarker
from likewise.faces.landmarks.turns import turn_of
from likewise.models.zoo.weights import weights_path

__all__ = ["ONet"]

SIDE = 48  # of its input
SHARE = 0.95  # of a box's longer side: the square that gives the most exact points on LFW
BATCH = 256

# The file is an LZ4 frame with a pickle of arrays. Its SHA-256 is known, so the places of the
# numbers are known too, and nothing is unpickled: (first byte, shape) of each float32 array.
ARRAYS = (
    (240, (3, 3, 3, 32)), (3_744, (32,)), (3_936, (1, 1, 32)),
    (4_128, (3, 3, 32, 64)), (77_904, (64,)), (78_224, (1, 1, 64)),
    (78_544, (3, 3, 64, 64)), (226_048, (64,)), (226_368, (1, 1, 64)),
    (226_688, (2, 2, 64, 128)), (357_808, (128,)), (358_384, (1, 1, 128)),
    (358_960, (1_152, 256)), (1_538_656, (256,)), (1_539_728, (256,)),
    (1_545_040, (256, 10)), (1_555_328, (10,)),
    (1_555_424, (256, 2)), (1_557_520, (2,)),
)  # fmt: skip


@register_landmarker("onet")
class ONet:
    """Five points of each face; its weights lie in the wheel of ``mtcnn``.

    Raises:
        MissingExtra: the extra ``faces`` is not installed.
    """

    name = "onet"

    def __init__(self) -> None:
        _weights()  # what is missing is told at once

    def locate(
        self,
        photo: Image.Image,
        boxes: NDArray[np.float32],
        turns: NDArray[np.float32] | None = None,
    ) -> Landmarks:
        """The points of the faces in boxes [N,4] of an RGB photo; see ``Landmarker``."""
        angles = np.zeros(len(boxes), np.float32) if turns is None else turns
        points = np.zeros((len(boxes), 5, 2), np.float32)
        scores = np.zeros(len(boxes), np.float32)
        for start in range(0, len(boxes), BATCH):
            some = slice(start, start + BATCH)
            matrices = [
                _to_input(box, turn) for box, turn in zip(boxes[some], angles[some], strict=True)
            ]
            pixels = np.stack([cut(photo, matrix, SIDE) for matrix in matrices])
            shares, scores[some] = self._network(pixels)
            for row, (matrix, places) in enumerate(zip(matrices, shares, strict=True), start):
                points[row] = apply(invert(matrix), places * SIDE)
        return Landmarks(points, scores, np.array([turn_of(face) for face in points], np.float32))

    def _network(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points [N,5,2] as shares of the box, and scores [N], of RGB pixels uint8 [N,48,48,3]."""
        w = _weights()
        with torch.inference_mode():
            x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127.5) / 128
            x = F.max_pool2d(_layer(x, w, 0), 3, 2, ceil_mode=True)
            x = F.max_pool2d(_layer(x, w, 3), 3, 2, ceil_mode=True)
            x = F.max_pool2d(_layer(x, w, 6), 2, 2, ceil_mode=True)
            x = _layer(x, w, 9).permute(0, 3, 2, 1).flatten(1)  # width, height, channel
            x = F.prelu(F.linear(x, w[12], w[13]), w[14])
            places = F.linear(x, w[15], w[16])  # five x, then five y
            score = F.linear(x, w[17], w[18]).softmax(1)[:, 1]
        return places.reshape(-1, 2, 5).transpose(1, 2).numpy(), score.numpy()


def _layer(x: Tensor, weights: list[Tensor], first: int) -> Tensor:
    return F.prelu(F.conv2d(x, weights[first], weights[first + 1]), weights[first + 2])


def _to_input(box: NDArray[np.float32], turn: float) -> NDArray[np.float64]:
    """From the photo to the network's input: the square around a box, turned back by ``turn``."""
    x, y, width, height = map(float, box)
    scale = SIDE / (SHARE * max(width, height, 1.0))
    angle = np.deg2rad(-turn)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([x + width / 2, y + height / 2])
    return np.column_stack([linear, SIDE / 2 - 0.5 - linear @ centre])


@cache
def _weights() -> list[Tensor]:
    path = weights_path("onet")
    try:
        import lz4.frame
    except ImportError as error:
        raise MissingExtra("onet", "faces") from error
    content = lz4.frame.decompress(path.read_bytes())
    arrays = [
        np.frombuffer(content, "<f4", int(np.prod(shape)), first).reshape(shape)
        for first, shape in ARRAYS
    ]
    return [torch.from_numpy(_in_torch_order(array)) for array in arrays]


def _in_torch_order(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keras's [h,w,in,out] and [in,out] as torch's [out,in,h,w] and [out,in]; slopes as [out]."""
    if array.shape[:2] == (1, 1) and array.ndim == 3:
        array = array.reshape(-1)
    axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim)
    return np.array(array if axes is None else array.transpose(axes), order="C")
