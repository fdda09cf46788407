"""The network that is exported: on the CPU, without torch.compile, with or without extra steps."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from likewise.data.preprocess import Preprocess
from likewise.distances.similarity import unit
from likewise.models.inference import device_of

__all__ = ["ExportedNetwork", "plain_network"]


def plain_network(module: nn.Module) -> nn.Module:
    """The network in evaluation mode on the CPU, without torch.compile; ``module`` stays as it is.

    A network that is on the CPU already shares its weights with the result.
    """
    module = getattr(module, "_orig_mod", module)  # as torch.compile wraps it
    if device_of(module).type != "cpu" or _compiled(module):
        module = copy.deepcopy(module).cpu()
        for part in module.modules():  # as Module.compile() marks it
            part._compiled_call_impl = None
    return module.eval()


def _compiled(module: nn.Module) -> bool:
    return any(getattr(part, "_compiled_call_impl", None) for part in module.modules())


class ExportedNetwork(nn.Module):
    """A network with the steps around it that a program of torch is to contain.

    Args:
        module: float32 [B,C,H,W] → [B,D].
        preprocess: take uint8 [B,H,W,C] in RGB order, and normalise them so; None: take float32
            [B,C,H,W] that is normalised already.
        normalize: scale embeddings to length 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, module: nn.Module, preprocess: Preprocess | None, *, normalize: bool):
        super().__init__()
        self.module = module
        self.normalize = normalize
        self.takes_pixels = preprocess is not None
        settings = preprocess or Preprocess()
        self.flip_channels = settings.order == "bgr"
        for name in ("mean", "std"):
            values = torch.tensor(getattr(settings, name)).view(1, -1, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """The embeddings, float32 [B,D]."""
        if self.takes_pixels:
            images = images.permute(0, 3, 1, 2)
            if self.flip_channels:
                images = images.flip(1)
            images = (images.float() * (1 / 255) - self.mean) / self.std
        embeddings: Tensor = self.module(images)
        return unit(embeddings) if self.normalize else embeddings
