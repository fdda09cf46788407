"""Knowledge distillation in training: a frozen teacher embeds the photos of the student."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from likewise.data.resize import resize_to
from likewise.errors import InputError
from likewise.losses import Distillation
from likewise.losses.all_gather import all_gather
from likewise.losses.anchors import Anchors, apply, reference_set, zero_loss
from likewise.losses.loss import Loss, Wrapper
from likewise.models.embedder import Embedder
from likewise.training.recipe.named_embedder import load_named
from likewise.training.recipe.recipe import Recipe

__all__ = ["Distilling", "NoLoss", "check_teacher", "teacher_fingerprint", "with_teacher"]

MICRO_BATCH = 64  # photos that the teacher embeds at a time


class NoLoss(Loss):
    """A loss of weight 0: no classes, no memory, no time."""

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,  # noqa: ARG002  # one signature for all losses
        anchors: Anchors = None,  # noqa: ARG002  # as above
        *,
        weights: Tensor | None = None,  # noqa: ARG002  # as above
    ) -> Tensor:
        """Zero, with a gradient of zero."""
        return zero_loss(embeddings)


class Distilling(Wrapper):
    """A loss plus a distillation loss against the embeddings of a teacher.

    The teacher is not among the parameters and the state of this module: it is not trained, not
    averaged and not saved. A checkpoint holds its fingerprint, and the projection of the
    distillation if it has one. Call ``teach`` with the photos of a batch before the loss.

    Args:
        loss: on embeddings and labels.
        teacher: used in evaluation mode, without gradient; ONNX Runtime or torch.
        distillation: compares the embeddings of the student with those of the teacher.
        weight: of the distillation loss.
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
        # In a tuple, so that torch does not register it as a submodule.
        self._teacher = (teacher.module.eval().requires_grad_(False),)
        self._taught: Tensor | None = None
        self.known: Tensor | None = None  # the teacher's embeddings of all photos [N, E]
        self.rows: Sequence[int] = ()  # of the photos of the next batch

    @property
    def teacher(self) -> Embedder:
        """The teacher."""
        return Embedder(self._teacher[0], self.preprocess)

    def remember(self, embeddings: Tensor) -> None:
        """Teach these from now on.

        Args:
            embeddings: of the teacher, of all photos of the manifest, float32 [N, E].
        """
        self.known = embeddings

    def inner(self) -> Sequence[nn.Module]:
        """The loss."""
        return (self.loss,)

    @torch.no_grad()
    def embed(self, pixels: Tensor) -> Tensor:
        """The embeddings of the teacher [b, E], from the student's uint8 pixels [b,C,H,W]."""
        (network,) = self._teacher
        network.to(pixels.device)
        parts = [
            network(self.preprocess.normalise(resize_to(piece, self.preprocess))).float()
            for piece in pixels.split(MICRO_BATCH)
        ]
        return torch.cat(parts)

    def teach(self, pixels: Tensor) -> None:
        """Embed this rank's share of a batch with the teacher; gather the shares of all ranks."""
        if self.known is None:
            found = self.embed(pixels)
        else:
            found = self.known[list(self.rows)].to(pixels.device)
        self._taught = all_gather(found)

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        anchors: Anchors = None,
        *,
        weights: Tensor | None = None,
        reference: Tensor | None = None,
        reference_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of the whole batch [B, D] plus the distillation loss, with the same weights.

        A reference set is for the loss alone.
        """
        if self._taught is None:
            raise InputError(
                "Distilling: the teacher has not embedded this batch; call teach() before the loss"
            )
        against = reference_set(self, reference, reference_labels)
        value = apply(self.loss, embeddings, labels, anchors, weights, against)
        new = anchors if isinstance(anchors, Tensor) else embeddings[:anchors]
        added: Tensor = self.distillation(new, self._taught, weights=weights)
        return value + self.weight * added


def with_teacher(recipe: Recipe, loss: nn.Module) -> nn.Module:
    """The loss with the teacher of the section ``distill``; the loss itself without one.

    Raises:
        InputError: there is no such teacher.
    """
    choice = recipe.distill
    if choice.teacher is None:
        return loss
    teacher = load_named("distill.teacher", choice.teacher)
    distillation = Distillation(
        choice.kind,
        student_dim=recipe.model.embedding_dim,
        teacher_dim=teacher.dimension,
        temperature=choice.temperature,
    )
    return Distilling(loss, teacher, distillation, choice.weight)


def teacher_fingerprint(loss: nn.Module) -> str | None:
    """The fingerprint of the teacher of a loss; None without one."""
    return loss.fingerprint if isinstance(loss, Distilling) else None


def check_teacher(loss: nn.Module, fingerprint: str | None) -> None:
    """Check that a resumed run has the teacher that it began with.

    Raises:
        InputError: the fingerprint of the teacher differs.
    """
    found = teacher_fingerprint(loss)
    if found != fingerprint:
        raise InputError(
            f"distill.teacher: its fingerprint is {found}, the run began with {fingerprint}; "
            "use that teacher again, or start a new run"
        )
