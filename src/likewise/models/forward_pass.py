"""The forward pass of a network without gradients: number format, memory format, compiler."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.models.compiled import CompiledForward
from likewise.models.memory_format import choose_memory_format
from likewise.models.number_format import lower_precision
from likewise.models.onnx.backbone import OnnxBackbone

__all__ = ["ForwardPass", "device_of"]


def device_of(module: nn.Module) -> torch.device:
    """The device of the weights; the CPU if there are none."""
    parameter = next(module.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


class ForwardPass:
    """Calls a network on batches: float32 [B,C,H,W] → float32 [B,D], both on its device.

    Weights and embeddings stay in float32; in lower precision convolutions and matrix products are
    computed in it. The network is not changed.

    Args:
        module: the network.
        precision: ``float32``, ``bf16``, ``fp16`` or ``auto``; see ``lower_precision``.
        compiled: runs batches that are at least half full; None: nothing is compiled.
        batch_size: photos in a full batch.

    Raises:
        InputError: the device or the network does not run in this way.
    """

    def __init__(
        self,
        module: nn.Module,
        precision: str = "float32",
        compiled: CompiledForward | None = None,
        batch_size: int = 64,
    ) -> None:
        self.module = module
        self.device = device_of(module)
        self.precision = lower_precision(precision, self.device)
        if isinstance(module, OnnxBackbone):
            if compiled is not None:
                raise InputError("compile: ONNX Runtime runs this model; leave compile out")
            if precision == "auto":
                self.precision = None
            elif self.precision is not None:
                raise InputError(
                    f"precision: {precision} is not for ONNX files, which ONNX Runtime runs in "
                    "their own number format; try float32"
                )
        self.compiled = compiled
        # Some networks are faster on fewer photos at a time.
        few = getattr(module, "cpu_batch", batch_size) if self.device.type == "cpu" else batch_size
        self.step = max(1, min(batch_size, few))
        plain = self.precision is None and compiled is None
        self.layout = (
            torch.contiguous_format if plain else choose_memory_format(module, None, self.device)
        )

    def __call__(self, images: Tensor) -> Tensor:
        """The embeddings of a batch."""
        with torch.inference_mode(), self._autocast():
            try:
                found = self._run(images)
            except RuntimeError as error:
                # A network that calls ``view`` on its feature maps takes contiguous ones only.
                if self.layout is not torch.channels_last or "view size" not in str(error):
                    raise
                self.layout = torch.contiguous_format
                found = self._run(images)
        return found.float()

    def _run(self, images: Tensor) -> Tensor:
        count = len(images)
        if self.compiled is None or not self.step <= 2 * count <= 2 * self.step:
            found: Tensor = self.module(images.contiguous(memory_format=self.layout))
            return found
        # Another size would be compiled anew: broken photos leave batches that are not full.
        blank = images.new_zeros(self.step - count, *images.shape[1:])
        images = torch.cat([images, blank]).contiguous(memory_format=self.layout)
        return self.compiled(self.module, images)[:count]

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)
