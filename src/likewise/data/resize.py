"""Resize a batch of pixels for a network with another input size or other channels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from likewise.data.preprocess import Preprocess

__all__ = ["resize_to"]

LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as in Pillow's conversion to grey
GREY = 128.0


def resize_to(pixels: Tensor, wanted: Preprocess) -> Tensor:
    """Convert pixels uint8 [B,C,H,W] (RGB or grey) to the size and channels of a preprocessing.

    They are resized with anti-aliasing, bilinearly or bicubically, and cropped, padded with grey or
    stretched as ``wanted.fit`` and ``wanted.crop`` say.

    Example:
        >>> import torch
        >>> from likewise.data.preprocess import Preprocess
        >>> from likewise.data.resize import resize_to
        >>> grey = torch.zeros(2, 1, 32, 28, dtype=torch.uint8)
        >>> resize_to(grey, Preprocess(112, 112)).shape
        torch.Size([2, 3, 112, 112])
    """
    if pixels.shape[1] == 1 and wanted.channels == 3:
        pixels = pixels.expand(-1, 3, -1, -1)
    elif pixels.shape[1] == 3 and wanted.channels == 1:
        luma = torch.tensor(LUMA, device=pixels.device).view(1, 3, 1, 1)
        pixels = (pixels * luma).sum(1, keepdim=True).round().to(torch.uint8)
    if wanted.crop < 1:
        high, wide = (max(1, round(wanted.crop * side)) for side in pixels.shape[2:])
        top, left = (pixels.shape[2] - high) // 2, (pixels.shape[3] - wide) // 2
        pixels = pixels[:, :, top : top + high, left : left + wide]
    if pixels.shape[2:] == (wanted.height, wanted.width):
        return pixels
    resized = _fitted(pixels.float(), wanted)
    return resized.round().clamp(0, 255).to(torch.uint8)


def _fitted(x: Tensor, wanted: Preprocess) -> Tensor:
    height, width = x.shape[2:]
    size, how = (wanted.height, wanted.width), wanted.interpolation
    if wanted.fit == "stretch":
        return _resized(x, size, how)
    if wanted.fit == "crop":  # the largest centred part with the wanted aspect ratio
        part = min(height / size[0], width / size[1])
        h, w = (max(1, round(part * side)) for side in size)
        top, left = round((height - h) / 2), round((width - w) / 2)
        return _resized(x[:, :, top : top + h, left : left + w], size, how)
    scale = min(size[0] / height, size[1] / width)
    h, w = max(1, round(scale * height)), max(1, round(scale * width))
    top, left = round((size[0] - h) / 2), round((size[1] - w) / 2)
    margins = (left, size[1] - w - left, top, size[0] - h - top)
    return F.pad(_resized(x, (h, w), how), margins, value=GREY)


def _resized(x: Tensor, size: tuple[int, int], how: str) -> Tensor:
    if how == "nearest":
        return F.interpolate(x, size, mode="nearest-exact")
    # Torch has no Lanczos; bicubic is the closest that it has.
    mode = "bilinear" if how == "bilinear" else "bicubic"
    return F.interpolate(x, size, mode=mode, antialias=True, align_corners=False)
