"""From a photo to the network's input: the same steps in training, evaluation and service."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageOps

from likewise.arguments import check_count, check_number, one_of
from likewise.data.images import ImageSource, decode
from likewise.errors import InputError

__all__ = ["Preprocess"]

FITS = ("crop", "pad", "stretch")
LATER = frozenset({"alignment", "interpolation", "crop"})  # fields that older models do not know
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}


@dataclass(frozen=True)
class Preprocess:
    """How a photo becomes the network's input; stored with the model and applied by it.

    Args:
        height: pixels.
        width: pixels.
        channels: 3 for colour, 1 for grey.
        mean: one value per channel, on the scale 0…1.
        std: one value per channel, on the scale 0…1.
        fit: ``crop`` keeps the aspect ratio and cuts the longer side, ``pad`` keeps it and adds
            grey, ``stretch`` changes it.
        order: ``rgb``, or ``bgr`` for networks trained on OpenCV's channel order.
        alignment: the template to which the photos of faces have to be aligned before they come
            here, such as ``arcface``; None if the network takes photos as they are. Nothing is
            aligned here; ``likewise.faces`` does that.
        interpolation: how photos are resized: ``bilinear``, ``bicubic``, ``lanczos`` or
            ``nearest``; all but the last anti-alias.
        crop: the share of the photo's height and width that is kept, around its middle, before it
            is fitted; timm calls it ``crop_pct``.

    Example:
        >>> from likewise import Preprocess
        >>> Preprocess(height=64, width=48).pixels(photo_a).shape
        torch.Size([3, 64, 48])
    """

    height: int = 112
    width: int = 112
    channels: Literal[1, 3] = 3
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    fit: str = "crop"
    order: str = "rgb"
    alignment: str | None = None
    interpolation: str = "bilinear"
    crop: float = 1.0

    def __post_init__(self) -> None:
        one_of("fit", self.fit, FITS)
        one_of("order", self.order, ("rgb", "bgr"))
        one_of("interpolation", self.interpolation, INTERPOLATIONS)
        check_number("crop", self.crop, least=0.1, most=1)
        if self.fit == "pad" and self.crop < 1:
            raise InputError(
                "crop: has no use with fit=pad, which keeps the whole photo; set crop=1"
            )
        if self.channels not in (1, 3):
            raise InputError(f"channels: must be 1 (gray) or 3 (color); got {self.channels}")
        check_count("height", self.height, least=8, most=1024)
        check_count("width", self.width, least=8, most=1024)
        for name in ("mean", "std"):
            values = tuple(float(v) for v in getattr(self, name))
            if len(values) != self.channels:
                raise InputError(
                    f"{name}: {len(values)} given for {self.channels} channels; give one for each"
                )
            object.__setattr__(self, name, values)
        check_number("std", min(self.std), above=0)
        if max(self.mean) > 1 or min(self.mean) < 0:
            raise InputError(
                f"mean: {list(self.mean)}; pixels are from 0 to 1, so the mean is too: divide mean "
                "and std by 255 if they are for pixels from 0 to 255"
            )
        if self.alignment is not None and not _is_name(self.alignment):
            raise InputError(
                f"alignment: must be the name of a template, such as 'arcface'; got "
                f"{self.alignment!r}"
            )

    def image(self, source: ImageSource) -> Image.Image:
        """The photo, decoded, upright and resized to the network's input.

        Raises:
            BadImage: it cannot be decoded; gives its name and the reason.
        """
        # Decoded at twice the size or more, so that the final resize still anti-aliases.
        least = round(2 * max(self.width, self.height) / self.crop)
        image = decode(source, channels=self.channels, least=least)
        size, method = (self.width, self.height), INTERPOLATIONS[self.interpolation]
        margin = (1 - self.crop) / 2
        if image.size == size and not margin:
            return image
        if self.fit == "stretch":
            gap = 3.0 if method is Image.Resampling.BILINEAR else None
            wide, high = image.size
            box = (margin * wide, margin * high, (1 - margin) * wide, (1 - margin) * high)
            return image.resize(size, method, box if margin else None, reducing_gap=gap)
        if self.fit == "pad":
            grey = 128 if self.channels == 1 else (128, 128, 128)
            return ImageOps.pad(image, size, method, color=grey)
        return ImageOps.fit(image, size, method, bleed=margin)

    def pixels(self, source: ImageSource) -> torch.Tensor:
        """The photo as uint8 [C,H,W], a quarter of the memory of float32."""
        array = np.array(self.image(source)).reshape(self.height, self.width, self.channels)
        return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """The float32 input of the network from a batch of pixels, uint8 [B,C,H,W] in RGB order."""
        if self.order == "bgr":
            pixels = pixels.flip(1)
        mean = torch.tensor(self.mean, device=pixels.device).view(1, -1, 1, 1)
        std = torch.tensor(self.std, device=pixels.device).view(1, -1, 1, 1)
        return (pixels.float() * (1 / 255) - mean) / std

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON.

        ``alignment``, ``interpolation`` and ``crop`` are left out where they have their defaults:
        files and fingerprints of models that know none of them stay as they are.
        """
        values = asdict(self)
        for field in fields(self):
            if field.name in LATER and values[field.name] == field.default:
                del values[field.name]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """The inverse of ``to_dict``.

        Raises:
            InputError: a key is unknown or a value is out of range.
        """
        known = [field.name for field in fields(cls)]
        for key in values:
            one_of("preprocess", key, known)
        return cls(**values)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", value) is not None
