"""The gradients of one step: forward pass, loss, backward pass, clipping, and the guard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.memory_format import choose_memory_format
from likewise.training.distributed.data_parallel import DataParallel
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.profile import StepProfile
from likewise.training.recipe.recipe import Recipe
from likewise.training.step.activation_checkpointing import checkpoint_activations
from likewise.training.step.clipping import clip_gradients
from likewise.training.step.compilation import Compiled
from likewise.training.step.freezing import Freezing
from likewise.training.step.gradient_cache import GradientCache, micro_batches
from likewise.training.step.guards import StepGuard
from likewise.training.step.precision import Precision
from likewise.training.step.teacher import Distilling

__all__ = ["BatchResult", "Gradients"]


class BatchResult(NamedTuple):
    """What a step computed besides the gradients.

    Args:
        loss: [].
        embeddings: [B, D].
        norm: of the gradient before clipping, [].
    """

    loss: Tensor
    embeddings: Tensor
    norm: Tensor


class Gradients:
    """Fills ``.grad`` of a network and a loss, with the memory savings of the recipe.

    The network is moved to the device, in the memory format that suits it, and compiled or set up
    for activation checkpointing as the recipe says.

    Args:
        recipe: of the run.
        module: the network, float32 [B,C,H,W] → [B,D].
        loss: ``loss(embeddings, labels) -> scalar``.
        preprocess: from pixels to the network's input.
        device: of the network and the loss.
        processes: the process group; each rank has its share of a batch.
        split: the names of the parameters of the loss that are sharded by rows.

    Attributes:
        freezing: the frozen weights.
        forward: called in place of the network: itself, compiled or wrapped by DDP.
        no_sync: the context of a backward pass whose gradients are not averaged yet.
        shares: the largest and the smallest share of the batch; None: a single process.

    Raises:
        InputError: the network does not allow an option, or two options exclude each other.
    """

    def __init__(
        self,
        recipe: Recipe,
        module: nn.Module,
        loss: nn.Module,
        preprocess: Preprocess,
        device: torch.device,
        processes: Processes | None = None,
        split: Iterable[str] = (),
    ) -> None:
        training = recipe.training
        self.micro = recipe.batch.micro
        self.clip, self.loss_clip = recipe.optimizer.clip, recipe.optimizer.loss_clip
        self.memory_format = choose_memory_format(module, training.channels_last, device)
        self.module = module.to(device)
        self.module.to(memory_format=self.memory_format)
        self.loss = loss.to(device)
        self.preprocess = preprocess
        self.device = device
        self.precision = Precision(training.precision, device)
        if training.checkpoint_activations:
            if training.compile:
                raise InputError(
                    "training.checkpoint_activations: not with training.compile, which chooses "
                    "the activations to keep; use one of the two"
                )
            checkpoint_activations(self.module)
        processes = processes or Processes()
        model = recipe.model
        self.freezing = Freezing(
            self.module, model.freeze, model.unfreeze_epoch,
            statistics=model.freeze_statistics, distributed=processes.count > 1,
        )  # fmt: skip
        self.parallel = DataParallel(
            processes,
            self.module,
            self.loss,
            split=frozenset(split),
            sync_norm=training.sync_norm,
        )
        network = self.parallel.network
        self.forward: Callable[[Tensor], Tensor] = (
            Compiled(self.module, network) if training.compile else network
        )
        self.no_sync = self.parallel.no_sync
        self.shares: tuple[int, int] | None = None

    def release(self) -> None:
        """Release the process group after the last step.

        DistributedDataParallel refers to it, and would keep it alive.
        """
        self.forward = self.parallel.network = self.module

    def compute(
        self,
        pixels: Tensor,
        labels: Tensor,
        optimizer: torch.optim.Optimizer,
        guard: StepGuard,
        profile: StepProfile,
    ) -> BatchResult:
        """Fill ``.grad``, clipped, for pixels uint8 [B,C,H,W] and labels int64 [B].

        Raises:
            NotFinite: the embeddings, the loss or the gradient are not finite.
        """
        phase, scaler = profile.phase, self.precision.scaler
        guard.begin()
        optimizer.zero_grad(set_to_none=True)
        cache = None
        largest, smallest = self.shares or (len(pixels), len(pixels))
        if 0 < self.micro < largest:  # every rank makes as many micro-batches
            count = micro_batches(largest, self.micro, smallest)
            cache = GradientCache(self.module, self.embed, count, self.no_sync)
        with phase("network"):
            embeddings = cache.embed_all(pixels) if cache is not None else self.embed(pixels)
            embeddings = guard.embeddings(embeddings)
        with phase("loss"):
            self._teach(pixels)
            if cache is not None:
                embeddings.requires_grad_()
            value = guard.value(lambda: self.parallel.loss(embeddings, labels))
        with phase("backward"):
            scaler.scale(value).backward()
            if cache is not None and embeddings.grad is not None:
                cache.backward(embeddings.grad)
        with phase("optimiser"):
            self.parallel.average_loss_gradients()
            self.freezing.drop_gradients()
            if scaler.is_enabled():  # under float16 the scaler handles gradients that overflow
                guard.check()
            scaler.unscale_(optimizer)
            self.parallel.sync_overflow(scaler, optimizer)
            norm = self._clip([p for group in optimizer.param_groups for p in group["params"]])
            if not scaler.is_enabled():
                guard.check(norm)
        return BatchResult(value.detach(), embeddings.detach(), norm)

    def _clip(self, weights: list[Tensor]) -> Tensor:
        """Clip the gradients; returns their norm before, over all weights."""
        split = self.parallel.split
        if self.loss_clip is None:
            return clip_gradients(weights, self.clip, split=split)
        own = {id(weight) for weight in self.loss.parameters()}
        of_loss = clip_gradients((w for w in weights if id(w) in own), self.loss_clip, split=split)
        rest = clip_gradients((w for w in weights if id(w) not in own), self.clip)
        return (rest.to(self.device).square() + of_loss.to(self.device).square()).sqrt()

    def embed(self, pixels: Tensor) -> Tensor:
        """The embeddings float32 [B,D] of pixels uint8 [B,C,H,W]."""
        with self.precision.autocast():
            embeddings = self.forward(self._images(pixels))
        return embeddings if embeddings.dtype == torch.float64 else embeddings.float()

    def embed_uncompiled(self, pixels: Tensor) -> None:
        """Run the uncompiled network, so that the hooks of every layer are called."""
        with self.precision.autocast():
            # Ranks with different shares must call it equally often: once.
            single = self.parallel.count == 1
            for part in pixels.split((self.micro if single else 0) or max(1, len(pixels))):
                self.module.forward(self._images(part))

    def _teach(self, pixels: Tensor) -> None:
        """Let the teacher embed the photos, where the loss has one."""
        if isinstance(self.loss, Distilling):
            with self.precision.autocast():
                self.loss.teach(pixels.to(self.device, non_blocking=True))

    def _images(self, pixels: Tensor) -> Tensor:
        # Converting bytes costs a quarter of converting floats, which keep the format.
        moved = pixels.to(self.device, non_blocking=True)
        return self.preprocess.normalise(moved.contiguous(memory_format=self.memory_format))
