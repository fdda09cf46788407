"""Data augmentation for training."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional as F
from torchvision.transforms import v2

__all__ = ["Augment", "Blur", "Color", "Crop", "Erase", "Geometry", "Light"]

Fraction = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Geometry(_Section):
    """Rotation, shift, zoom, perspective and elastic deformation; the border is replicated."""

    p: Fraction = Field(0.5, description="probability that a photo is transformed")
    degrees: float = Field(5.0, ge=0, le=180, description="largest rotation, in degrees")
    translate: Fraction = Field(0.04, description="largest shift, as a fraction of the side")
    zoom: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.08, description="largest zoom, as a fraction"
    )
    aspect: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="largest change of the aspect ratio, as a fraction"
    )
    perspective: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="largest perspective tilt: relative enlargement of one side"
    )
    elastic: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="typical elastic displacement, as a fraction of half the side"
    )


class Crop(_Section):
    """A random crop, resized to the full size."""

    p: Fraction = Field(0.0, description="probability that a photo is cropped")
    area: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="smallest fraction of the area kept"
    )
    ratio: Annotated[float, Field(ge=1, le=2)] = Field(
        1.1, description="largest change of the aspect ratio"
    )


class Color(_Section):
    """Color jitter: brightness, contrast, saturation and hue (the last two for RGB only)."""

    p: Fraction = Field(0.5, description="probability that a photo's colors change")
    brightness: Fraction = Field(0.2, description="largest change, as a fraction")
    contrast: Fraction = Field(0.2, description="largest change, as a fraction")
    saturation: Fraction = Field(0.1, description="largest change, as a fraction")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(0.0, description="largest shift of the hue")
    grey: Fraction = Field(0.0, description="probability that a photo is converted to gray")


class Light(_Section):
    """Lighting: random gamma, and a shade that varies smoothly across the photo."""

    p: Fraction = Field(0.0, description="probability that a photo is relit")
    gamma: Annotated[float, Field(ge=0, le=2)] = Field(
        0.3, description="largest absolute logarithm of the gamma exponent"
    )
    shade: Annotated[float, Field(ge=0, le=2)] = Field(
        0.4, description="typical logarithm of the shade's factor"
    )


class Blur(_Section):
    """Gaussian blur."""

    p: Fraction = Field(0.0, description="probability that a photo is blurred")
    sigma: Annotated[float, Field(gt=0, le=10)] = Field(
        0.8, description="largest standard deviation, in pixels"
    )


class Erase(_Section):
    """Random erasing: a gray rectangle hides a part, as a hand or a scarf would."""

    p: Fraction = Field(0.0, description="probability that a part of a photo is erased")
    smallest: Fraction = Field(0.02, description="smallest fraction of the area erased")
    largest: Fraction = Field(0.15, description="largest fraction of the area erased")


class Augment(_Section):
    """The augmentation of a recipe; the steps are applied in the order of the keys.

    Example:
        >>> from likewise.data.transforms import Augment
        >>> transform = Augment(flip=0.5).transform(channels=3)
    """

    flip: Fraction = Field(0.5, description="probability of a horizontal flip")
    crop: Crop = Field(default_factory=Crop)
    geometry: Geometry = Field(default_factory=Geometry)
    color: Color = Field(default_factory=Color)
    light: Light = Field(default_factory=Light)
    blur: Blur = Field(default_factory=Blur)
    erase: Erase = Field(default_factory=Erase)

    def transform(self, *, channels: int) -> v2.Transform:
        """The torchvision transform of uint8 [C,H,W]; it draws from torch's global generator."""
        steps: list[torch.nn.Module] = []
        if self.flip:
            steps.append(v2.RandomHorizontalFlip(self.flip))
        if self.crop.p:
            steps.append(v2.RandomApply([_SameSizeCrop(self.crop)], self.crop.p))
        if self.geometry.p:
            steps.append(v2.RandomApply([_Move(self.geometry)], self.geometry.p))
        if self.color.p:
            steps.append(v2.RandomApply([self._color(channels)], self.color.p))
        if self.color.grey and channels == 3:
            steps.append(v2.RandomGrayscale(self.color.grey))
        if self.light.p:
            steps.append(v2.RandomApply([_Relight(self.light)], self.light.p))
        if self.blur.p:
            blur = v2.GaussianBlur(5, sigma=(0.1, max(0.1, self.blur.sigma)))
            steps.append(v2.RandomApply([blur], self.blur.p))
        if self.erase.p:
            area = (self.erase.smallest, max(self.erase.smallest, self.erase.largest))
            steps.append(v2.RandomErasing(self.erase.p, scale=area, value=128))
        return v2.Compose(steps or [v2.Identity()])

    def _color(self, channels: int) -> v2.Transform:
        color = self.color
        if channels == 1:
            return v2.ColorJitter(color.brightness, color.contrast)
        return v2.ColorJitter(color.brightness, color.contrast, color.saturation, color.hue)


class _SameSizeCrop(torch.nn.Module):
    """``RandomResizedCrop`` to the input's own size, whatever it is."""

    def __init__(self, crop: Crop) -> None:
        super().__init__()
        self.crop = crop

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        size = (image.shape[-2], image.shape[-1])
        # The crop has the photo's aspect ratio, changed by at most ``ratio``.
        shape = size[1] / size[0]
        window = v2.RandomResizedCrop(
            size,
            scale=(self.crop.area, 1.0),
            ratio=(shape / self.crop.ratio, shape * self.crop.ratio),
            antialias=True,
        )
        cropped: torch.Tensor = window(image)
        return cropped


def _uniform(largest: float) -> float:
    return float((2 * torch.rand(()) - 1) * largest)


def _smooth_field(channels: int, cells: int, size: tuple[int, int]) -> torch.Tensor:
    """A smooth random field [1,C,H,W] of about unit variance: noise on a coarse grid, upsampled."""
    coarse = torch.randn(1, channels, cells, cells)
    return F.interpolate(coarse, size, mode="bicubic", align_corners=True)


class _Move(torch.nn.Module):
    """All of ``Geometry`` in one resampling; several steps would blur several times."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        g, (height, width) = self.geometry, image.shape[-2:]
        turn, zoom, aspect = (
            math.radians(_uniform(g.degrees)),
            math.exp(_uniform(g.zoom)),
            math.exp(_uniform(g.aspect)),
        )
        # grid_sample's coordinates span 2 along both sides, so a rotation needs the aspect ratio.
        cos, sin, shape = zoom * math.cos(turn), zoom * math.sin(turn), height / width
        matrix = torch.tensor(
            [
                [cos * aspect, -sin * shape, 2 * _uniform(g.translate)],
                [sin / shape, cos / aspect, 2 * _uniform(g.translate)],
            ]
        )
        grid = F.affine_grid(matrix[None], [1, 1, height, width], align_corners=False)
        if g.perspective:
            tilt = torch.tensor([_uniform(g.perspective), _uniform(g.perspective)])
            grid = grid / (1 + (grid * tilt).sum(-1, keepdim=True)).clamp_min(0.2)
        if g.elastic:
            grid = grid + g.elastic * _smooth_field(2, 5, (height, width)).permute(0, 2, 3, 1)
        moved = F.grid_sample(
            image[None].float(), grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return moved[0].round().to(torch.uint8)


class _Relight(torch.nn.Module):
    """``Light``: a gamma curve times a smooth field."""

    def __init__(self, light: Light) -> None:
        super().__init__()
        self.light = light

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        depth = self.light.shade * float(torch.rand(()))
        field = depth * _smooth_field(1, 3, (image.shape[-2], image.shape[-1]))[0]
        bright = (image.float() / 255).pow(math.exp(_uniform(self.light.gamma))) * field.exp()
        return (bright * 255).round().clamp(0, 255).to(torch.uint8)
