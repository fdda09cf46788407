"""The operators of ONNX that have weights, as modules of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from likewise.models.graph.operations import Attributes, symmetric

__all__ = ["LAYERS", "Layer"]

Weights = Mapping[int, Tensor]  # by the place of the input
Layer = Callable[[Attributes, Weights], nn.Module | None]


class Convolution(nn.Module):
    """A convolution, also with another padding at its start than at its end."""

    def __init__(self, attributes: Attributes, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        axes = weight.ndim - 2
        self.attributes = dict(attributes)
        self.stride = list(attributes.get("strides", [1] * axes))
        self.dilation = list(attributes.get("dilations", [1] * axes))
        self.groups = int(attributes.get("group", 1))
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,…] → [B,C',…]."""
        x, padding = symmetric(x, self.attributes)
        convolve: Callable[..., Tensor] = (torch.conv1d, torch.conv2d, torch.conv3d)[x.ndim - 3]
        return convolve(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class BatchNorm(_BatchNorm):
    """Batch normalisation of maps and of vectors: a file does not say which it is."""

    def _check_input_dim(self, input: Tensor) -> None:  # torch's name
        """Any number of axes."""


class PReLU(nn.Module):
    """A leaky ReLU with a learned slope of any shape that fits the features."""

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(slope)

    def forward(self, x: Tensor) -> Tensor:
        """x where it is positive, slope · x where it is not."""
        size, axes = self.weight.numel(), self.weight.ndim
        # Old files have a flat slope for channels; in new ones it is one for the last axis.
        of_channels = x.ndim > 1 and size == x.shape[1] and self.weight.shape[0] == size
        if size == 1 or (of_channels and (axes == x.ndim - 1 or size != x.shape[-1])):
            return torch.prelu(x, self.weight.reshape(-1))
        return x.clamp(min=0) + self.weight * x.clamp(max=0)


def _convolution(attributes: Attributes, weights: Weights) -> nn.Module | None:
    if 1 not in weights:
        return None
    return Convolution(attributes, weights[1], weights.get(2))


def _batch_norm(attributes: Attributes, weights: Weights) -> nn.Module | None:
    if not all(place in weights for place in (1, 2, 3, 4)):
        return None
    layer = BatchNorm(
        len(weights[1]),
        eps=attributes.get("epsilon", 1e-5),
        momentum=1 - attributes.get("momentum", 0.9),  # torch counts the share of the new
    )
    names = {"weight": 1, "bias": 2, "running_mean": 3, "running_var": 4}
    layer.load_state_dict({name: weights[place] for name, place in names.items()}, strict=False)
    return layer


def _prelu(attributes: Attributes, weights: Weights) -> nn.Module | None:
    return PReLU(weights[1]) if 1 in weights else None


def _gemm(attributes: Attributes, weights: Weights) -> nn.Module | None:
    if 1 not in weights or attributes.get("transA", 0):
        return None
    weight = weights[1] if attributes.get("transB", 0) else weights[1].T
    bias = weights.get(2)
    return _linear(
        weight * attributes.get("alpha", 1.0),
        None if bias is None else bias * attributes.get("beta", 1.0),
    )


def _matrix_product(attributes: Attributes, weights: Weights) -> nn.Module | None:
    return _linear(weights[1].T, None) if 1 in weights and weights[1].ndim == 2 else None


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Module:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.contiguous())
    if bias is not None:
        layer.bias = nn.Parameter(bias.expand(weight.shape[0]).contiguous())
    return layer


LAYERS: dict[str, Layer] = {
    "BatchNormalization": _batch_norm,
    "Conv": _convolution,
    "Gemm": _gemm,
    "MatMul": _matrix_product,
    "PRelu": _prelu,
}
"""By operator; None where the weights are not constants of the file."""
