"""The input that trained weights of timm expect: size, mean, deviation, interpolation and crop."""

from __future__ import annotations

from typing import Any, Literal

from likewise.data.preprocess import INTERPOLATIONS, Preprocess
from likewise.errors import InputError, MissingExtra

__all__ = ["timm_preprocess"]

FITS = {"center": "crop", "squash": "stretch", "border": "pad"}  # timm's names of them


def timm_preprocess(model: Any, *, channels: Literal[1, 3] | None = None) -> Preprocess:
    """The preprocessing of a timm model's trained weights, from timm's own configuration.

    Args:
        model: its name, which may name weights after a point (``resnet50.a1_in1k``), or the model
            that ``timm.create_model`` returns.
        channels: of the input; None: those of the weights. With 1 the mean and the deviation are
            the averages over the colours.

    Raises:
        MissingExtra: timm is not installed.
        InputError: timm knows no such model.

    Example:
        >>> from likewise.models.backbones.timm_input import timm_preprocess
        >>> used = timm_preprocess("vit_tiny_patch16_224")
        >>> used.height, used.mean, used.interpolation, used.crop
        (224, (0.5, 0.5, 0.5), 'bicubic', 0.9)
    """
    try:
        from timm.models import get_pretrained_cfg
    except ImportError as error:
        raise MissingExtra("the preprocessing of a timm model", "timm") from error
    if isinstance(model, str):
        found: Any = get_pretrained_cfg(model)
        if found is None:
            raise InputError(f"model: timm has no configuration of {model!r}")
        config = found.to_dict()
    else:
        config = dict(getattr(model, "pretrained_cfg", None) or {})
        if not config:
            raise InputError(f"model: {type(model).__name__} has no configuration of timm")
    given, height, width = config.get("input_size") or (3, 224, 224)
    channels = channels or (1 if given == 1 else 3)
    fit = FITS.get(str(config.get("crop_mode")), "crop")
    crop = float(config.get("crop_pct") or 1.0)
    interpolation = str(config.get("interpolation"))
    return Preprocess(
        int(height),
        int(width),
        channels,
        mean=_for_channels(config.get("mean"), 0.5, channels),
        std=_for_channels(config.get("std"), 0.5, channels),
        fit=fit,
        interpolation=interpolation if interpolation in INTERPOLATIONS else "bilinear",
        crop=min(1.0, crop) if fit != "pad" else 1.0,
    )


def _for_channels(values: Any, default: float, channels: int) -> tuple[float, ...]:
    found = tuple(map(float, values or (default,)))
    if len(found) == channels:
        return found
    return (sum(found) / len(found),) * channels
