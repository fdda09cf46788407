"""Cut a turned, scaled square out of a photo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.faces.alignment.similarity import apply, invert, similarity_transform
from likewise.faces.alignment.templates import Template

__all__ = ["align", "cut"]

SAMPLES = 2
ENOUGH = 1.2  # pixels of the photo per pixel of the crop, up to which one sample is enough


def align(
    photo: Image.Image, points: NDArray[np.floating], template: Template, size: int = 112
) -> NDArray[np.uint8]:
    """The face with these points, moved onto a template: uint8 [size,size,3].

    Args:
        photo: RGB, upright.
        points: [5,2] in pixels of the photo.
        template: where they come to lie.
        size: side of the crop in pixels.
    """
    return cut(photo, similarity_transform(points, template.at(size)), size)


def cut(photo: Image.Image, matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """The pixels of a crop: uint8 [size,size,3]; what lies outside of the photo is black.

    Bilinear interpolation alone would skip most pixels of a large face. So its photo is first
    shrunk by averaging blocks of pixels, and each pixel of the crop is the mean of several samples.

    Args:
        photo: RGB.
        matrix: float64 [2,3], from pixels of the photo to pixels of the crop; pixel centres have
            whole coordinates, as in OpenCV.
        size: side of the crop in pixels.
    """
    back = invert(matrix)
    scale = float(np.sqrt(abs(np.linalg.det(back[:, :2]))))  # pixels of the photo per pixel
    factor = max(1, int(scale / SAMPLES))
    samples = SAMPLES if scale > ENOUGH else 1  # per pixel of the crop and side
    corners = apply(back, [(-1, -1), (size, -1), (-1, size), (size, size)])
    low = np.maximum(np.floor(corners.min(0)) - factor, 0).astype(int)
    high = np.minimum(np.ceil(corners.max(0)) + factor + 1, photo.size).astype(int)
    if (high <= low).any():
        return np.zeros((size, size, 3), np.uint8)
    part = photo.crop((int(low[0]), int(low[1]), int(high[0]), int(high[1])))
    if factor > 1:
        part = part.reduce(factor)
    # From whole pixel centres of the crop to those of the part: PIL counts from pixel corners.
    linear = back[:, :2] / factor
    shift = (back[:, 2] - low + 0.5) / factor - linear @ (0.5, 0.5)
    linear /= samples
    side = size * samples
    coefficients = (*linear[0], shift[0], *linear[1], shift[1])
    out = part.transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(out.reduce(samples) if samples > 1 else out)
