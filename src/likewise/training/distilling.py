"""The teacher in training: it sees what the student sees, and moves nothing of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from likewise.data.refit import refit
from likewise.errors import InputError
from likewise.losses.distillation import Distillation
from likewise.models.embedder import Embedder
from likewise.models.store import load
from likewise.training.recipe import Recipe

__all__ = ["Distilling", "distilling_of", "same_teacher"]


class Distilling(nn.Module):
    """What a teacher adds to the loss of its student.

    The teacher stands outside the module's parameters and its state: it is not trained, not
    averaged and not saved. What is saved is its fingerprint, and the projection where there is
    one.

    Args:
        teacher: in evaluation, without gradient; ONNX Runtime or torch.
        loss: the student's embeddings against the teacher's.
        weight: multiplies it.
    """

    def __init__(self, teacher: Embedder, loss: Distillation, weight: float = 1.0) -> None:
        super().__init__()
        self.loss = loss
        self.weight = weight
        self.fingerprint = teacher.fingerprint
        self.preprocess = teacher.preprocess
        network = teacher.module.eval().requires_grad_(False)
        self._teacher = (network,)  # in a tuple, so that it is no submodule

    @torch.no_grad()
    def teach(self, pixels: Tensor) -> Tensor:
        """The teacher's embeddings [B, E] of uint8 pixels [B,C,H,W], made for the student."""
        (network,) = self._teacher
        images = self.preprocess.normalise(refit(pixels, self.preprocess))
        embeddings: Tensor = network(images)
        return embeddings.float()

    def forward(self, embeddings: Tensor, taught: Tensor) -> Tensor:
        """What is added to the loss, from the embeddings [B, D] and those of the teacher [B, E]."""
        value: Tensor = self.loss(embeddings, taught)
        return self.weight * value


def distilling_of(recipe: Recipe, device: torch.device) -> Distilling | None:
    """What the section ``distill`` asks for; None without a teacher.

    Raises:
        InputError: there is no such teacher.
    """
    choice = recipe.distill
    if choice.teacher is None:
        return None
    teacher = load(choice.teacher).to(str(device))
    loss = Distillation(
        choice.kind,
        student_dim=recipe.model.embedding_dim,
        teacher_dim=teacher.dimension,
        temperature=choice.temperature,
    )
    return Distilling(teacher, loss, choice.weight)


def same_teacher(distilling: Distilling | None, fingerprint: str | None) -> None:
    """Refuse to go on with another teacher than the run began with.

    Raises:
        InputError: its fingerprint differs.
    """
    found = distilling.fingerprint if distilling is not None else None
    if found != fingerprint:
        raise InputError(
            f"distill.teacher: its fingerprint is {found}, the run began with {fingerprint}; "
            "put that teacher back, or begin anew"
        )
