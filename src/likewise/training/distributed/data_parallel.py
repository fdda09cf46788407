"""Data parallelism: each rank has a share of the batch, and the gradient is that of one process.

DistributedDataParallel averages the gradients of the network, overlapped with the backward pass.
The loss gets the embeddings of all ranks (:class:`~likewise.losses.Gathered`), so that the average
is the gradient of the whole batch. Class weights that are sharded over the ranks have their exact
gradient already, and are not averaged.
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
from likewise.models.backbones.synchronised_norm import synchronise_norm
from likewise.training.distributed.processes import Processes

__all__ = ["DataParallel"]


class DataParallel:
    """A network and a loss for one step on several ranks; unchanged for a single process.

    Args:
        processes: the process group.
        module: the network; ``sync_norm`` replaces its batch normalisations in place.
        loss: its class weights are sharded over the ranks, or replicated.
        split: the names of the parameters of the loss that are sharded.
        sync_norm: normalise over the batch of all ranks.

    Attributes:
        network: ``network(images) -> embeddings``, for the share of this rank.
        loss: ``loss(embeddings, labels) -> scalar``, for the whole batch, the same on all ranks.
        split: the ``id`` of the parameters that are sharded.
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
        self._replicated = [p for p in loss.parameters() if id(p) not in self.split]
        if self.count == 1:
            self.split = frozenset()
            return
        self.loss = Gathered(loss)
        if sync_norm:
            synchronise_norm(module)
        if any(p.requires_grad for p in module.parameters()):
            self.network = _parallel(module, sync_buffers=not sync_norm)

    def no_sync(self) -> AbstractContextManager[object]:
        """The context of every backward pass of a step but the last: gradients are not averaged."""
        if isinstance(self.network, nn.parallel.DistributedDataParallel):
            return self.network.no_sync()
        return nullcontext()

    @torch.no_grad()
    def average_loss_gradients(self) -> None:
        """After the backward pass, average the gradients of the loss's replicated parameters."""
        if self.count == 1:
            return
        for parameter in self._replicated:
            if parameter.grad is not None:
                grad = parameter.grad
                if grad.is_sparse:
                    grad = parameter.grad = grad.to_dense()
                dist.all_reduce(grad)
                grad /= self.count

    @torch.no_grad()
    def sync_overflow(self, scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> None:
        """After ``unscale_``, mark an overflow on one rank as an overflow on all ranks."""
        if self.count == 1 or not scaler.is_enabled():
            return
        # A private attribute; torch's own ShardedGradScaler (of FSDP) uses it as well.
        found = scaler._per_optimizer_states[id(optimizer)]["found_inf_per_device"]
        for flag in found.values():
            dist.all_reduce(flag, dist.ReduceOp.MAX)


def _parallel(module: nn.Module, *, sync_buffers: bool) -> nn.parallel.DistributedDataParallel:
    """DDP whose sums on the CPU are the same in every run, bit for bit.

    Unless it looks for unused parameters, DDP rebuilds its buckets after the first step. The order
    of sums depends on the buckets, so a resumed run would differ in the last bit.
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
