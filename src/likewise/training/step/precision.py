"""Mixed precision of the network; the loss is always computed in float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from likewise.errors import InputError

__all__ = ["Precision"]


class Precision:
    """Autocast for the network, and the gradient scaler that float16 needs.

    Args:
        name: ``auto`` (bf16 on a GPU that has it, else float32), ``float32``, ``bf16``, ``fp16``.
        device: of the network.

    Raises:
        InputError: the device does not support this precision.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        cuda = device.type == "cuda"
        if name == "auto":
            name = "bf16" if cuda and torch.cuda.is_bf16_supported() else "float32"
        if name == "fp16" and not cuda:
            raise InputError(f"training.precision: fp16 needs a GPU, not {device}; try bf16")
        if name == "bf16" and cuda and not torch.cuda.is_bf16_supported():
            raise InputError("training.precision: this GPU has no bf16; try fp16")
        self.name = name
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    def autocast(self) -> AbstractContextManager[object]:
        """The context of the forward pass."""
        if self.name == "float32":
            return nullcontext()
        dtype = torch.bfloat16 if self.name == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)
