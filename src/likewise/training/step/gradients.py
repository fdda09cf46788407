"""From a batch to the gradients of one step: the network, the loss, the way back, each checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.training.distributed.data_parallel import Replicas
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.profile import StepProfile
from likewise.training.recipe.recipe import Recipe
from likewise.training.step.activation_checkpointing import checkpoint_activations
from likewise.training.step.clipping import clip_gradients
from likewise.training.step.compilation import Compiled
from likewise.training.step.freezing import Freezing
from likewise.training.step.gradient_cache import GradientCache, pieces
from likewise.training.step.guards import StepGuard
from likewise.training.step.memory_format import layout_for
from likewise.training.step.precision import Precision
from likewise.training.step.teacher import Distilling

__all__ = ["Gradients", "Taken"]


class Taken(NamedTuple):
    """What a batch gave.

    Args:
        loss: [].
        embeddings: [B, D].
        norm: the length of the gradient before it was clipped, [].
    """

    loss: Tensor
    embeddings: Tensor
    norm: Tensor


class Gradients:
    """Fills ``.grad`` of a network and a loss, fast and within the memory that there is.

    The network is moved to the device, in the layout that suits it, and prepared as the recipe
    says: compiled, or with its activations computed twice.

    Args:
        recipe: everything about the run.
        module: the network, float32 [B,C,H,W] → [B,D].
        loss: ``loss(embeddings, labels) -> scalar``.
        preprocess: from pixels to the network's input.
        device: where all of it runs.
        processes: who make them together, each from its share of a batch.
        split: the names of the loss's tensors of which each process holds other rows.

    Attributes:
        freezing: the weights that stand still.
        forward: what is called in place of the network: itself, compiled or wrapped.
        hold: the context of the passes that need not average their gradients yet.
        shares: the largest and the smallest share of the batch at hand; None: this one's alone.

    Raises:
        InputError: a switch that this network or another switch does not allow.
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
        self.micro, self.clip = recipe.batch.micro, recipe.optimizer.clip
        self.layout = layout_for(module, training.channels_last, device)
        self.module = module.to(device)
        self.module.to(memory_format=self.layout)
        self.loss = loss.to(device)
        self.preprocess = preprocess
        self.device = device
        self.precision = Precision(training.precision, device)
        if training.checkpoint_activations:
            if training.compile:
                raise InputError(
                    "training.checkpoint_activations: not together with training.compile, which "
                    "decides by itself what is kept; choose one"
                )
            checkpoint_activations(self.module)
        processes = processes or Processes()
        model = recipe.model
        self.freezing = Freezing(
            self.module, model.freeze, model.unfreeze_epoch, together=processes.count > 1
        )
        self.replicas = Replicas(
            processes,
            self.module,
            self.loss,
            split=frozenset(split),
            sync_norm=training.sync_norm,
        )
        network = self.replicas.network
        self.forward: Callable[[Tensor], Tensor] = (
            Compiled(self.module, network) if training.compile else network
        )
        self.hold = self.replicas.unsynchronised
        self.shares: tuple[int, int] | None = None

    def release(self) -> None:
        """Let go of the other processes: no step can be taken any more.

        DistributedDataParallel holds their group, which would outlive its end otherwise.
        """
        self.forward = self.replicas.network = self.module

    def of(
        self,
        pixels: Tensor,
        labels: Tensor,
        optimizer: torch.optim.Optimizer,
        guard: StepGuard,
        profile: StepProfile,
    ) -> Taken:
        """Fill ``.grad``, clipped, from pixels uint8 [B,C,H,W] and labels int64 [B].

        Raises:
            NotFinite: the embeddings, the loss or the gradient are not.
        """
        phase, scaler = profile.phase, self.precision.scaler
        guard.begin()
        optimizer.zero_grad(set_to_none=True)
        cache = None
        largest, smallest = self.shares or (len(pixels), len(pixels))
        if 0 < self.micro < largest:  # all processes go in as many pieces
            count = pieces(largest, self.micro, smallest)
            cache = GradientCache(self.module, self.embed, count, self.hold)
        with phase("network"):
            embeddings = cache.embed_all(pixels) if cache is not None else self.embed(pixels)
            embeddings = guard.embeddings(embeddings)
        with phase("loss"):
            self._teach(pixels)
            if cache is not None:
                embeddings.requires_grad_()
            value = guard.value(lambda: self.replicas.loss(embeddings, labels))
        with phase("backward"):
            scaler.scale(value).backward()
            if cache is not None and embeddings.grad is not None:
                cache.backward(embeddings.grad)
        with phase("optimiser"):
            self.replicas.average_loss_gradients()
            self.freezing.drop_gradients()
            if scaler.is_enabled():  # float16 expects gradients that overflow: the scaler's affair
                guard.settle()
            scaler.unscale_(optimizer)
            self.replicas.agree_on_overflow(scaler, optimizer)
            weights = (p for group in optimizer.param_groups for p in group["params"])
            norm = clip_gradients(weights, self.clip, split=self.replicas.split)
            if not scaler.is_enabled():
                guard.settle(norm)
        return Taken(value.detach(), embeddings.detach(), norm)

    def embed(self, pixels: Tensor) -> Tensor:
        """The embeddings float32 [B,D] of pixels uint8 [B,C,H,W], with a graph if one is wanted."""
        with self.precision.autocast():
            embeddings = self.forward(self._images(pixels))
        return embeddings if embeddings.dtype == torch.float64 else embeddings.float()

    def embed_plainly(self, pixels: Tensor) -> None:
        """Run the network as it is written, so that every layer's hooks are called."""
        with self.precision.autocast():
            # Several processes run it together: at once, as their shares may differ.
            alone = self.replicas.count == 1
            for piece in pixels.split((self.micro if alone else 0) or max(1, len(pixels))):
                self.module.forward(self._images(piece))

    def _teach(self, pixels: Tensor) -> None:
        """Let the teacher beside the loss see the same photos, where there is one."""
        if isinstance(self.loss, Distilling):
            with self.precision.autocast():
                self.loss.teach(pixels.to(self.device, non_blocking=True))

    def _images(self, pixels: Tensor) -> Tensor:
        # Laid out while they are bytes: a quarter of the work, and the floats follow.
        there = pixels.to(self.device, non_blocking=True).contiguous(memory_format=self.layout)
        return self.preprocess.normalise(there)
