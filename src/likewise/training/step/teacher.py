"""The teacher in training: it sees what the student sees, and moves nothing of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from likewise.data.refit import refit
from likewise.errors import InputError
from likewise.losses import Distillation
from likewise.losses.all_gather import all_gather
from likewise.losses.loss import Anchors, Wrapper, apply
from likewise.models.embedder import Embedder
from likewise.training.initial_weights import embedder_named
from likewise.training.recipe.recipe import Recipe

__all__ = ["Distilling", "same_teacher", "teacher_of", "with_teacher"]

PIECE = 64  # photos that the teacher sees at a time


class Distilling(Wrapper):
    """A loss, and beside it what a teacher says of the same photos.

    The teacher stands outside of the module's parameters and state: it is not trained, not
    averaged and not saved. What is saved is its fingerprint, and the projection where there is
    one. Before the loss is called, ``teach`` shows the teacher the photos of the batch.

    Args:
        loss: on embeddings and labels.
        teacher: in evaluation, without gradient; ONNX Runtime or torch.
        distillation: the student's embeddings against the teacher's.
        weight: multiplies what is added.
    """

    def __init__(
        self, loss: nn.Module, teacher: Embedder, distillation: Distillation, weight: float = 1.0
    ) -> None:
        super().__init__()
        self.loss = loss
        self.distillation = distillation
        self.weight = weight
        self.fingerprint = teacher.fingerprint
        self.preprocess = teacher.preprocess
        # In a tuple, so that it is no submodule.
        self._teacher = (teacher.module.eval().requires_grad_(False),)
        self._taught: Tensor | None = None

    def inner(self) -> Sequence[nn.Module]:
        """The loss."""
        return (self.loss,)

    @torch.no_grad()
    def embed(self, pixels: Tensor) -> Tensor:
        """The teacher's embeddings [b, E] of uint8 pixels [b,C,H,W], made for the student."""
        (network,) = self._teacher
        network.to(pixels.device)
        parts = [
            network(self.preprocess.normalise(refit(piece, self.preprocess))).float()
            for piece in pixels.split(PIECE)
        ]
        return torch.cat(parts)

    def teach(self, pixels: Tensor) -> None:
        """Show the teacher this process's share of a batch; all processes hear of every share."""
        self._taught = all_gather(self.embed(pixels))

    def forward(self, embeddings: Tensor, labels: Tensor, anchors: Anchors = None) -> Tensor:
        """The loss of the whole batch [B, D], and what the teacher adds to it."""
        if self._taught is None:
            raise InputError("Distilling: the teacher has not seen this batch; call teach() before")
        value = apply(self.loss, embeddings, labels, anchors)
        new = anchors if isinstance(anchors, Tensor) else embeddings[:anchors]
        added: Tensor = self.distillation(new, self._taught)
        return value + self.weight * added


def with_teacher(recipe: Recipe, loss: nn.Module) -> nn.Module:
    """The loss with the teacher that the section ``distill`` names; without one, itself.

    Raises:
        InputError: there is no such teacher.
    """
    choice = recipe.distill
    if choice.teacher is None:
        return loss
    teacher = embedder_named("distill.teacher", choice.teacher)
    distillation = Distillation(
        choice.kind,
        student_dim=recipe.model.embedding_dim,
        teacher_dim=teacher.dimension,
        temperature=choice.temperature,
    )
    return Distilling(loss, teacher, distillation, choice.weight)


def teacher_of(loss: nn.Module) -> str | None:
    """The fingerprint of the teacher beside a loss; None without one."""
    return loss.fingerprint if isinstance(loss, Distilling) else None


def same_teacher(loss: nn.Module, fingerprint: str | None) -> None:
    """Refuse to go on with another teacher than the run began with.

    Raises:
        InputError: its fingerprint differs.
    """
    found = teacher_of(loss)
    if found != fingerprint:
        raise InputError(
            f"distill.teacher: its fingerprint is {found}, the run began with {fingerprint}; "
            "put that teacher back, or begin anew"
        )
