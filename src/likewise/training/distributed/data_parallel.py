"""The same network on every process, kept the same: gradients that are those of one process.

Each process has its share of a batch. The network's gradients are averaged by
DistributedDataParallel, overlapped with the backward pass; the loss sees the embeddings of all
(:class:`~likewise.losses.Gathered`), so that the average is the gradient of the whole batch. Class
rows that are split over the processes have their exact gradient already, and are left alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from likewise.losses.wrappers.gather import Gathered
from likewise.models.synchronised_norm import synchronise_norm
from likewise.training.distributed.processes import Processes

__all__ = ["Replicas"]


class Replicas:
    """A network and a loss, as a step of many processes calls them; alone, they are themselves.

    Args:
        processes: who train.
        module: the network; with ``sync_norm`` its batch normalisations are exchanged in place.
        loss: with its class rows split over the processes, or whole on each.
        split: the names of the loss's parameters that are split.
        sync_norm: normalise over the batch of all processes.

    Attributes:
        network: ``network(images) -> embeddings``, of this process's share.
        loss: ``loss(embeddings, labels) -> scalar``, of the whole batch, the same on all.
        split: the ``id`` of the parameters that are split.
    """

    network: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]

    def __init__(
        self,
        processes: Processes,
        module: nn.Module,
        loss: nn.Module,
        *,
        split: frozenset[str] = frozenset(),
        sync_norm: bool = True,
    ) -> None:
        self.count = processes.count
        self.network, self.loss = module, loss
        parameters = dict(loss.named_parameters())
        self.split = frozenset(id(parameters[name]) for name in split if name in parameters)
        self._alike = [p for p in loss.parameters() if id(p) not in self.split]
        if self.count == 1:
            self.split = frozenset()
            return
        self.loss = Gathered(loss)
        if sync_norm:
            synchronise_norm(module)
        if any(p.requires_grad for p in module.parameters()):
            self.network = _parallel(module, sync_buffers=not sync_norm)

    def unsynchronised(self) -> AbstractContextManager[object]:
        """The context of every backward pass of a step but the last: gradients only add up."""
        if isinstance(self.network, nn.parallel.DistributedDataParallel):
            return self.network.no_sync()
        return nullcontext()

    @torch.no_grad()
    def average_loss_gradients(self) -> None:
        """After the backward pass: one gradient for the parameters of the loss that all hold."""
        if self.count == 1:
            return
        for parameter in self._alike:
            if parameter.grad is not None:
                grad = parameter.grad
                if grad.is_sparse:
                    grad = parameter.grad = grad.to_dense()
                dist.all_reduce(grad)
                grad /= self.count

    @torch.no_grad()
    def agree_on_overflow(
        self, scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer
    ) -> None:
        """After ``unscale_``: what overflowed on one process overflowed for all."""
        if self.count == 1 or not scaler.is_enabled():
            return
        # Private, but torch's own sharded scaler (of FSDP) does the same.
        found = scaler._per_optimizer_states[id(optimizer)]["found_inf_per_device"]
        for flag in found.values():
            dist.all_reduce(flag, dist.ReduceOp.MAX)


def _parallel(module: nn.Module, *, sync_buffers: bool) -> nn.parallel.DistributedDataParallel:
    """On the CPU, DDP that repeats itself to the bit.

    Unless it looks for unused parameters, DDP makes its buckets anew after the first step, and
    the order of sums depends on buckets: a run that is resumed would differ in the last bit.
    """
    cpu = next(module.parameters()).device.type == "cpu"
    known = inspect.signature(nn.parallel.DistributedDataParallel).parameters
    sync = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {sync: sync_buffers}
    return nn.parallel.DistributedDataParallel(
        module,
        find_unused_parameters=cpu,
        gradient_as_bucket_view=True,
        **options,
    )
