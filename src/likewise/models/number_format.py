"""The number format of a forward pass without gradients: float32, bfloat16 or float16."""

from __future__ import annotations

import logging
from functools import lru_cache

import torch

from likewise.arguments import one_of
from likewise.errors import InputError
from likewise.machine import multiplies_bf16

__all__ = ["PRECISIONS", "lower_precision"]

PRECISIONS = ("auto", "float32", "fp32", "bf16", "fp16")  # fp32 is another name of float32

log = logging.getLogger(__name__)


def lower_precision(name: str, device: torch.device) -> torch.dtype | None:
    """The number format of the layers that are not computed in float32; None if all are.

    Args:
        name: ``float32`` (or ``fp32``), ``bf16``, ``fp16``, or ``auto``: bf16 where the device
            multiplies it in hardware, else fp16 on an NVIDIA GPU, else float32.
        device: of the network.

    Raises:
        InputError: the name is unknown, or the device does not compute in this format.

    Example:
        >>> import torch
        >>> from likewise.models.number_format import lower_precision
        >>> lower_precision("bf16", torch.device("cpu"))
        torch.bfloat16
        >>> lower_precision("fp16", torch.device("cpu"))
        Traceback (most recent call last):
        likewise.errors.InputError: precision: fp16 needs an NVIDIA GPU, not cpu; try bf16
    """
    one_of("precision", name, PRECISIONS)
    cuda = device.type == "cuda"
    if name == "auto":
        if cuda:
            return torch.bfloat16 if _has_bf16() else torch.float16
        return torch.bfloat16 if device.type == "cpu" and multiplies_bf16() else None
    if name in ("float32", "fp32"):
        return None
    if name == "fp16":
        if not cuda:
            other = "bf16" if device.type == "cpu" else "float32"
            raise InputError(f"precision: fp16 needs an NVIDIA GPU, not {device}; try {other}")
        return torch.float16
    if not cuda and device.type != "cpu":
        raise InputError(f"precision: bf16 is not run on {device}; try float32")
    if cuda and not _has_bf16():
        raise InputError("precision: this GPU has no bf16; try fp16")
    if not cuda and not multiplies_bf16():
        _warn_of_slow_bf16()
    return torch.bfloat16


def _has_bf16() -> bool:
    """Whether the GPU multiplies bf16 itself: torch emulates it on older ones, slowly."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


@lru_cache(maxsize=1)
def _warn_of_slow_bf16() -> None:
    """Once in a process: each call of ``embed`` would repeat it."""
    log.warning(
        "precision: no instructions for bf16 are found on this processor; without them bf16 is "
        "slower than float32"
    )
