"""Synchronised batch normalisation: over the batch of all processes, on GPUs and on the CPU.

On a GPU torch's ``SyncBatchNorm`` is used. It refuses tensors on the CPU (gloo), for which this
module has its own implementation. Both are exact: the forward and the backward pass equal those of
plain batch normalisation over the whole batch in one process.
"""

from __future__ import annotations

import logging
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from likewise.once_differentiable import once_differentiable, origin

__all__ = ["SynchronisedNorm1d", "SynchronisedNorm2d", "plain_norm", "synchronise_norm"]

log = logging.getLogger(__name__)


class _Synchronised(nn.modules.batchnorm._BatchNorm):
    """Common base: statistics of all processes in training, plain normalisation in evaluation."""

    # Attributes that the forward pass of torch's SyncBatchNorm uses. Inheriting from it is not
    # possible: DistributedDataParallel refuses it on the CPU.
    process_group = None
    _check_non_zero_input_channels = nn.SyncBatchNorm._check_non_zero_input_channels

    def forward(self, input: Tensor) -> Tensor:
        """Normalise over the batch of all processes, [b, C] or [b, C, …]; b may differ."""
        statistics = self.training or not self.track_running_stats
        if not (statistics and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(input)
        if torch_synchronises(input.device):
            return nn.SyncBatchNorm.forward(cast(nn.SyncBatchNorm, self), input)
        tensors = [t for t in (input, self.weight, self.bias) if t is not None]
        normalised, mean, variance, count = _Normalise.apply(
            input, self.weight, self.bias, origin(*tensors), self.eps
        )
        if self.training and self.track_running_stats:
            self._update_running(mean, variance, count)
        result: Tensor = normalised
        return result

    @torch.no_grad()
    def _update_running(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Update the running statistics as ``nn.BatchNorm2d`` does."""
        if self.running_mean is None or self.running_var is None:
            return
        share = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if share is None:
                share = 1 / float(self.num_batches_tracked)
        unbiased = variance * (count / (count - 1).clamp(min=1))
        self.running_mean.lerp_(mean.to(self.running_mean), share or 0.0)
        self.running_var.lerp_(unbiased.to(self.running_var), share or 0.0)


class SynchronisedNorm1d(_Synchronised, nn.BatchNorm1d):
    """``nn.BatchNorm1d`` over the batch of all processes; the same weights, the same names."""


class SynchronisedNorm2d(_Synchronised, nn.BatchNorm2d):
    """``nn.BatchNorm2d`` over the batch of all processes; the same weights, the same names."""


class SynchronisedNormAct2d(_Synchronised, nn.BatchNorm2d):
    """timm's ``BatchNormAct2d``, a normalisation with its activation, over all processes."""

    drop: nn.Module
    act: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        """Normalise over the batch of all processes, then apply dropout and activation."""
        activated: Tensor = self.act(self.drop(super().forward(input)))
        return activated


SYNCHRONISED: dict[str, type[nn.Module]] = {
    "BatchNorm1d": SynchronisedNorm1d,
    "BatchNorm2d": SynchronisedNorm2d,
    "BatchNormAct2d": SynchronisedNormAct2d,
}


def synchronise_norm(module: nn.Module) -> nn.Module:
    """Synchronise every batch normalisation of ``module`` over all processes, in place.

    The modules stay the same objects, with their weights, buffers, hooks and names, so that the
    state dictionary fits the plain network. In evaluation nothing changes. Every process must run
    the modules in the same order, with any number of rows, also none; in training there must be two
    rows or more in all.

    Example:
        >>> from torch import nn
        >>> from likewise.models.backbones.synchronised_norm import synchronise_norm
        >>> type(synchronise_norm(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))[1]).__name__
        'SynchronisedNorm2d'
    """
    unsynchronised = []
    for name, part in module.named_modules():
        if not isinstance(part, nn.modules.batchnorm._BatchNorm):
            continue
        kind = type(part)
        if isinstance(part, _Synchronised):
            continue
        if kind.__name__ in SYNCHRONISED:
            # Changing the class keeps the parameters that an optimizer refers to.
            part.__class__ = SYNCHRONISED[kind.__name__]  # type: ignore[assignment]  # same state, other forward
            part.__dict__["plain_kind"] = kind
        else:
            unsynchronised.append(f"{name} ({kind.__name__})")
    if unsynchronised:
        log.warning("normalized within each process, not over all: %s", ", ".join(unsynchronised))
    return module


def plain_norm(module: nn.Module) -> nn.Module:
    """The inverse of ``synchronise_norm``, in place: for a copy that one process uses alone."""
    for part in module.modules():
        if isinstance(part, _Synchronised):
            part.__class__ = part.__dict__.pop("plain_kind")
    return module


def torch_synchronises(device: torch.device) -> bool:
    """Whether torch's ``SyncBatchNorm`` supports tensors on this device."""
    return device.type not in ("cpu", "mps")


def _at_least_float32(x: Tensor) -> Tensor:
    """The tensor in float32 if it is in half precision."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


class _Normalise(torch.autograd.Function):
    """``γ·(x - mean)/√(variance + ε) + β`` over all processes; one collective in each pass.

    It computes in float32 or float64. For the backward pass it saves the input in its own format:
    half the memory under bf16.
    """

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        source: Tensor,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        ctx.origin = source
        x = _at_least_float32(input)
        axes, shape = _axes(x), _shape(x)
        own = x.new_tensor(float(x.numel() // x.shape[1]))
        # Sums of squares would suffer from cancellation if the mean is large. So squares about the
        # mean of each process are gathered and combined by Chan, Golub and LeVeque (1983).
        own_mean = x.sum(axes) / own.clamp(min=1)
        own_squares = (x - own_mean.view(shape)).square().sum(axes)
        means, squares, counts = _gathered(torch.cat([own_mean, own_squares, own.view(1)]))
        count = counts.sum()
        mean = (means * counts).sum(0) / count.clamp(min=1)
        squares = squares.sum(0) + (counts * (means - mean).square()).sum(0)
        variance = squares / count.clamp(min=1)
        inverse = torch.rsqrt(variance + eps)
        result = (x - mean.view(shape)) * inverse.view(shape)
        if weight is not None and bias is not None:
            result = result * weight.to(x).view(shape) + bias.to(x).view(shape)
        ctx.save_for_backward(input, weight, mean, inverse, count)
        ctx.mark_non_differentiable(mean, variance, count)
        return result.to(input.dtype), mean, variance, count

    @staticmethod
    @once_differentiable("normalization over the batch of several processes")
    def backward(
        ctx: Any, grad: Tensor, *_: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor | None, None, None]:
        input, weight, mean, inverse, count = ctx.saved_tensors
        x, grad = _at_least_float32(input), _at_least_float32(grad)
        axes, shape = _axes(x), _shape(x)
        normalised = (x - mean.view(shape)) * inverse.view(shape)
        by_bias, by_weight = grad.sum(axes), (grad * normalised).sum(axes)
        sums = torch.stack([by_bias, by_weight])
        dist.all_reduce(sums)
        along_mean, along_scale = sums / count.clamp(min=1)
        by_input = grad - along_mean.view(shape) - normalised * along_scale.view(shape)
        if weight is None:
            return (by_input * inverse.view(shape)).to(input.dtype), None, None, None, None
        by_input = by_input * (inverse * weight.to(x)).view(shape)
        # The gradient of this process only: gradients of weights are averaged over processes later.
        return by_input.to(input.dtype), by_weight.to(weight), by_bias.to(weight), None, None


def _axes(x: Tensor) -> list[int]:
    """All axes of [b, C, …] but that of the channels."""
    return [axis for axis in range(x.ndim) if axis != 1]


def _shape(x: Tensor) -> tuple[int, ...]:
    """The shape in which values per channel [C] broadcast to [b, C, …]."""
    return (1, -1, *(1,) * (x.ndim - 2))


def _gathered(own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All-gather means [P, C], squares [P, C] and counts [P, 1] of the P processes."""
    shares = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, own)
    everyone = torch.stack(shares)
    channels = (everyone.shape[1] - 1) // 2
    return everyone[:, :channels], everyone[:, channels:-1], everyone[:, -1:]
