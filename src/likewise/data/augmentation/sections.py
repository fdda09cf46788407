"""The sections of a recipe's augmentation: what may happen to a photo, how often and how much."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Blur", "Color", "Crop", "Erase", "Fraction", "Geometry", "Light", "Section"]

Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A section: unknown keys are refused, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Geometry(Section):
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


class Crop(Section):
    """A random crop, resized to the full size."""

    p: Fraction = Field(0.0, description="probability that a photo is cropped")
    area: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="smallest fraction of the area kept"
    )
    ratio: Annotated[float, Field(ge=1, le=2)] = Field(
        1.1, description="largest change of the aspect ratio"
    )


class Color(Section):
    """Color jitter: brightness, contrast, saturation and hue (the last two for RGB only)."""

    p: Fraction = Field(0.5, description="probability that a photo's colors change")
    brightness: Fraction = Field(0.2, description="largest change, as a fraction")
    contrast: Fraction = Field(0.2, description="largest change, as a fraction")
    saturation: Fraction = Field(0.1, description="largest change, as a fraction")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(0.0, description="largest shift of the hue")
    grey: Fraction = Field(0.0, description="probability that a photo is converted to gray")


class Light(Section):
    """Lighting: random gamma, and a shade that varies smoothly across the photo."""

    p: Fraction = Field(0.0, description="probability that a photo is relit")
    gamma: Annotated[float, Field(ge=0, le=2)] = Field(
        0.3, description="largest absolute logarithm of the gamma exponent"
    )
    shade: Annotated[float, Field(ge=0, le=2)] = Field(
        0.4, description="typical logarithm of the shade's factor"
    )


class Blur(Section):
    """Gaussian blur."""

    p: Fraction = Field(0.0, description="probability that a photo is blurred")
    sigma: Annotated[float, Field(gt=0, le=10)] = Field(
        0.8, description="largest standard deviation, in pixels"
    )


class Erase(Section):
    """Random erasing: a gray rectangle hides a part, as a hand or a scarf would."""

    p: Fraction = Field(0.0, description="probability that a part of a photo is erased")
    smallest: Fraction = Field(0.02, description="smallest fraction of the area erased")
    largest: Fraction = Field(0.15, description="largest fraction of the area erased")
