"""Batch normalisation over the batch of all processes, on any backend: gloo on CPU, NCCL on GPUs.

torch's own ``SyncBatchNorm`` refuses tensors on the CPU. This one is exact on both: forward and
backward equal those of plain batch normalisation over the whole batch in one process.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from likewise.once_differentiable import once_differentiable, origin

__all__ = ["SynchronisedNorm1d", "SynchronisedNorm2d", "plain_norm", "synchronise_norm"]

log = logging.getLogger(__name__)


class _Synchronised(nn.modules.batchnorm._BatchNorm):
    """The part that both share: in training, statistics of all processes; else as it was."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise over the batch of all processes, [b, C] or [b, C, …], each its own b."""
        statistics = self.training or not self.track_running_stats
        if not (statistics and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(input)
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        normalised, mean, variance, count = _Normalise.apply(x, origin(x), self.eps)
        if self.training and self.track_running_stats:
            self._move(mean, variance, count)
        shape = (1, -1, *(1,) * (x.ndim - 2))
        if self.weight is not None:
            normalised = normalised * self.weight.to(x.dtype).view(shape)
            normalised = normalised + self.bias.to(x.dtype).view(shape)
        result: Tensor = normalised.to(input.dtype)
        return result

    @torch.no_grad()
    def _move(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Let the running statistics follow, as ``nn.BatchNorm2d`` does."""
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
        """Normalise over the batch of all processes, then drop and activate."""
        activated: Tensor = self.act(self.drop(super().forward(input)))
        return activated


SYNCHRONISED: dict[str, type[nn.Module]] = {
    "BatchNorm1d": SynchronisedNorm1d,
    "BatchNorm2d": SynchronisedNorm2d,
    "BatchNormAct2d": SynchronisedNormAct2d,
}


def synchronise_norm(module: nn.Module) -> nn.Module:
    """Let every batch normalisation of ``module`` see the batch of all processes, in place.

    The modules stay the same objects, with their weights, buffers, hooks and names: what is saved
    loads into the plain network. In evaluation nothing changes. Every process must run them in
    the same order, each with any number of rows, none too; in training all rows together must be
    two or more for the statistics to mean something.

    Example:
        >>> from torch import nn
        >>> from likewise.models.synchronised_norm import synchronise_norm
        >>> type(synchronise_norm(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))[1]).__name__
        'SynchronisedNorm2d'
    """
    apart = []
    for name, part in module.named_modules():
        if not isinstance(part, nn.modules.batchnorm._BatchNorm):
            continue
        kind = type(part)
        if isinstance(part, _Synchronised):
            continue
        if kind.__name__ in SYNCHRONISED:
            # Their layouts are the same: a new class keeps parameters that an optimiser holds.
            part.__class__ = SYNCHRONISED[kind.__name__]  # type: ignore[assignment]  # same state, other forward
            part.__dict__["plain_kind"] = kind
        else:
            apart.append(f"{name} ({kind.__name__})")
    if apart:
        log.warning("normalised within each process, not over all: %s", ", ".join(apart))
    return module


def plain_norm(module: nn.Module) -> nn.Module:
    """The inverse of ``synchronise_norm``, in place: for a copy that goes its own way."""
    for part in module.modules():
        if isinstance(part, _Synchronised):
            part.__class__ = part.__dict__.pop("plain_kind")
    return module


class _Normalise(torch.autograd.Function):
    """``(x - mean) / √(variance + ε)`` over all processes; one collective each way."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, source: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        ctx.origin = source
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = (1, -1, *(1,) * (x.ndim - 2))
        own = x.new_tensor(float(x.numel() // x.shape[1]))
        # Sums of squares would cancel where the mean is large: squares about each process's own
        # mean are gathered, and put together as Chan, Golub and LeVeque (1983) do.
        own_mean = x.sum(axes) / own.clamp(min=1)
        own_squares = (x - own_mean.view(shape)).square().sum(axes)
        means, squares, counts = _gathered(torch.cat([own_mean, own_squares, own.view(1)]))
        count = counts.sum()
        mean = (means * counts).sum(0) / count.clamp(min=1)
        squares = squares.sum(0) + (counts * (means - mean).square()).sum(0)
        variance = squares / count.clamp(min=1)
        inverse = torch.rsqrt(variance + eps)
        normalised = (x - mean.view(shape)) * inverse.view(shape)
        ctx.save_for_backward(normalised, inverse, count)
        ctx.mark_non_differentiable(mean, variance, count)
        return normalised, mean, variance, count

    @staticmethod
    @once_differentiable("normalisation over the batch of several processes")
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, None, None]:
        normalised, inverse, count = ctx.saved_tensors
        axes = [axis for axis in range(grad.ndim) if axis != 1]
        shape = (1, -1, *(1,) * (grad.ndim - 2))
        sums = torch.stack([grad.sum(axes), (grad * normalised).sum(axes)])
        dist.all_reduce(sums)
        along_mean, along_scale = sums / count.clamp(min=1)
        grad = grad - along_mean.view(shape) - normalised * along_scale.view(shape)
        return grad * inverse.view(shape), None, None


def _gathered(own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means [P, C], squares [P, C] and counts [P, 1] of all processes, from each one's own."""
    shares = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, own)
    everyone = torch.stack(shares)
    channels = (everyone.shape[1] - 1) // 2
    return everyone[:, :channels], everyone[:, channels:-1], everyone[:, -1:]
