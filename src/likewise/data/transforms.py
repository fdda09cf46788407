"""Augmentation in training: what a photo of the same person might also have looked like."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional as F
from torchvision.transforms import v2

__all__ = ["Augment", "Blur", "Color", "Crop", "Erase", "Geometry", "Light"]

Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Geometry(_Section):
    """Another view: turns, shifts, zooms, tilts and bends; the photo's border is drawn out."""

    p: Share = Field(0.5, description="share of photos that are moved")
    degrees: float = Field(5.0, ge=0, le=180, description="largest turn, in degrees")
    translate: Share = Field(0.04, description="largest shift, as a share of the side")
    zoom: Annotated[float, Field(ge=0, lt=1)] = Field(0.08, description="largest zoom, as a share")
    aspect: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="largest change of the proportions, as a share"
    )
    perspective: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="largest tilt: how much larger one side becomes than the other"
    )
    elastic: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="typical bend, as a share of half the side"
    )


class Crop(_Section):
    """A random window of the photo, stretched to its full size."""

    p: Share = Field(0.0, description="share of photos that are cropped")
    area: Annotated[float, Field(gt=0, le=1)] = Field(0.8, description="smallest area kept")
    ratio: Annotated[float, Field(ge=1, le=2)] = Field(
        1.1, description="largest change of the proportions"
    )


class Color(_Section):
    """Other light: brightness, contrast, saturation and hue (the last two for colour only)."""

    p: Share = Field(0.5, description="share of photos whose light changes")
    brightness: Share = Field(0.2, description="largest change, as a share")
    contrast: Share = Field(0.2, description="largest change, as a share")
    saturation: Share = Field(0.1, description="largest change, as a share")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(0.0, description="largest turn of the hue")
    grey: Share = Field(0.0, description="share of photos that lose their colour")


class Light(_Section):
    """Another lamp: the curve of brightness, and shade that falls smoothly across the photo."""

    p: Share = Field(0.0, description="share of photos lit anew")
    gamma: Annotated[float, Field(ge=0, le=2)] = Field(
        0.3, description="largest change of the exponent, as a logarithm"
    )
    shade: Annotated[float, Field(ge=0, le=2)] = Field(
        0.4, description="typical depth of the shade, as a logarithm"
    )


class Blur(_Section):
    """Out of focus."""

    p: Share = Field(0.0, description="share of photos that are blurred")
    sigma: Annotated[float, Field(gt=0, le=10)] = Field(0.8, description="largest, in pixels")


class Erase(_Section):
    """A random rectangle of noise-free grey, as a hand, a scarf or a frame would hide a part."""

    p: Share = Field(0.0, description="share of photos of which a part is hidden")
    smallest: Share = Field(0.02, description="smallest area hidden")
    largest: Share = Field(0.15, description="largest area hidden")


class Augment(_Section):
    """The augmentation of a recipe, in the order in which it is applied.

    Example:
        >>> from likewise.data.transforms import Augment
        >>> transform = Augment(flip=0.5).transform(channels=3)
    """

    flip: Share = Field(0.5, description="share of photos that are mirrored")
    crop: Crop = Field(default_factory=Crop)
    geometry: Geometry = Field(default_factory=Geometry)
    color: Color = Field(default_factory=Color)
    light: Light = Field(default_factory=Light)
    blur: Blur = Field(default_factory=Blur)
    erase: Erase = Field(default_factory=Erase)

    def transform(self, *, channels: int) -> v2.Transform:
        """The torchvision transform of uint8 [C,H,W] to the same; random by torch's generator."""
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
    """``RandomResizedCrop`` to the size that came in, which torchvision wants to know before."""

    def __init__(self, crop: Crop) -> None:
        super().__init__()
        self.crop = crop

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        size = (image.shape[-2], image.shape[-1])
        # The window's own proportions are those of the photo, give or take ``ratio``.
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
    """A random field [1,C,H,W] of unit size that changes slowly: noise on a coarse grid."""
    coarse = torch.randn(1, channels, cells, cells)
    return F.interpolate(coarse, size, mode="bicubic", align_corners=True)


class _Move(torch.nn.Module):
    """All of ``Geometry`` in one resampling: torchvision's own steps would blur at each."""

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
        # In the sampler's coordinates both sides are 2 long, so that a turn must know the shape.
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
    """``Light``: a power of the brightness, and a slowly changing factor."""

    def __init__(self, light: Light) -> None:
        super().__init__()
        self.light = light

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        depth = self.light.shade * float(torch.rand(()))
        field = depth * _smooth_field(1, 3, (image.shape[-2], image.shape[-1]))[0]
        bright = (image.float() / 255).pow(math.exp(_uniform(self.light.gamma))) * field.exp()
        return (bright * 255).round().clamp(0, 255).to(torch.uint8)
