"""Augmentation in training: what a photo of the same person might also have looked like."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torchvision.transforms import InterpolationMode, v2

__all__ = ["Affine", "Augment", "Color", "Crop", "Erase"]

Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Affine(_Section):
    """Small turns, shifts, zooms and shears; outside the photo its border's grey shows."""

    p: Share = Field(0.5, description="share of photos that are moved")
    degrees: float = Field(5.0, ge=0, le=180, description="largest turn, in degrees")
    translate: Share = Field(0.04, description="largest shift, as a share of the side")
    zoom: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.08, description="largest zoom in or out, as a share"
    )
    shear: float = Field(0.0, ge=0, le=45, description="largest shear, in degrees")


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
    affine: Affine = Field(default_factory=Affine)
    color: Color = Field(default_factory=Color)
    erase: Erase = Field(default_factory=Erase)

    def transform(self, *, channels: int) -> v2.Transform:
        """The torchvision transform of uint8 [C,H,W] to the same; random by torch's generator."""
        steps: list[torch.nn.Module] = []
        if self.flip:
            steps.append(v2.RandomHorizontalFlip(self.flip))
        if self.crop.p:
            steps.append(v2.RandomApply([_SameSizeCrop(self.crop)], self.crop.p))
        if self.affine.p:
            steps.append(v2.RandomApply([self._affine()], self.affine.p))
        if self.color.p:
            steps.append(v2.RandomApply([self._color(channels)], self.color.p))
        if self.color.grey and channels == 3:
            steps.append(v2.RandomGrayscale(self.color.grey))
        if self.erase.p:
            area = (self.erase.smallest, max(self.erase.smallest, self.erase.largest))
            steps.append(v2.RandomErasing(self.erase.p, scale=area, value=128))
        return v2.Compose(steps or [v2.Identity()])

    def _affine(self) -> v2.Transform:
        affine = self.affine
        return v2.RandomAffine(
            affine.degrees,
            translate=(affine.translate, affine.translate),
            scale=(1 - affine.zoom, 1 + affine.zoom),
            shear=affine.shear or None,
            interpolation=InterpolationMode.BILINEAR,
            fill=128,
        )

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
