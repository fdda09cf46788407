"""Distillation: a student network learns the embeddings of a teacher network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from likewise.arguments import check_count, check_number, one_of
from likewise.distances.similarity import unit
from likewise.errors import InputError
from likewise.losses.anchors import zero_losses
from likewise.losses.checks import check_loss_finite
from likewise.losses.sample_weights import (
    ReductionName,
    check_reduction,
    check_weights,
    reduce_losses,
)

__all__ = [
    "Distillation",
]

ANGLE_WEIGHT = 2.0
"""Weight of the angles relative to the distances: 50 to 25 in the paper."""
BLOCK = 2**23
"""Cosines of angles in memory at one time: 32 MiB in float32."""


def cosine_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """``1 - cos(s_i, t_i)`` for each row of [B, D] and [B, D]: [B]."""
    return 1 - (unit(student) * unit(teacher)).sum(1)


def l2_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """``(s_id - t_id)²``, averaged over the dimensions, for each row of [B, D] and [B, D]: [B].

    Lengths are learned too, which AdaFace and MagFace use as quality.
    """
    return F.mse_loss(student, teacher, reduction="none").mean(1)


def relational_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD: distances and angles between the photos of a batch, for [B, D] and [B, E].

    ``mean_{i≠j} h(ψ_ij(s) - ψ_ij(t)) + 2·mean_{i,j,k} h(cos∠_ijk(s) - cos∠_ijk(t))`` on the unit
    sphere: ψ is the Euclidean distance over the mean distance of the batch, ∠_ijk the angle at j
    between i and k, all different, and h the Huber loss with δ = 1. The direction between two equal
    embeddings counts as zero. Of the result [B], the row of a photo holds the distances from it
    and the angles at it, times B.

    Source: Park et al., Relational Knowledge Distillation, arXiv 1904.05068 (RKD-DA).
    """
    student, teacher = unit(student), unit(teacher)
    count = len(student)
    if count < 2:
        return zero_losses(student)
    d_student, d_teacher = _distances(student), _distances(teacher)
    pairs = count * (count - 1)
    differ = F.huber_loss(_over_mean(d_student), _over_mean(d_teacher), reduction="none")
    far = differ.sum(1) * (count / pairs)
    if count < 3:
        return far
    gram_student, gram_teacher = student @ student.T, teacher @ teacher.T
    parts = []
    step = max(1, BLOCK // count**2)
    for corners in torch.arange(count, device=student.device).split(step):
        part: Tensor = checkpoint(
            _angle_losses, gram_student, d_student, gram_teacher, d_teacher, corners,
            use_reentrant=False,
        )  # fmt: skip
        parts.append(part)
    return far + torch.cat(parts) * (ANGLE_WEIGHT * count / (pairs * (count - 2)))


def similarity_distillation(student: Tensor, teacher: Tensor, temperature: float = 0.1) -> Tensor:
    """The distribution of each photo's similarity over its neighbors, for [B, D] and [B, E].

    ``KL(p_i ‖ q_i)`` for each photo i, [B]: p_i is the softmax of ``cos(t_i, t_j)/τ`` over the
    other photos j of the batch, q_i that of the student.

    Source: the similarity distributions of Fang et al. (SEED), arXiv 2101.04731, and Koohpayegani
    et al. (CompRess), arXiv 2010.14713, here over the batch instead of a queue.
    """
    if len(student) < 2:
        return zero_losses(student)
    itself = torch.eye(len(student), dtype=torch.bool, device=student.device)
    log_q, log_p = (
        F.log_softmax((unit(x) @ unit(x).T / temperature).masked_fill(itself, -torch.inf), dim=1)
        .masked_fill(itself, 0.0)
        for x in (student, teacher)
    )  # fmt: skip
    p = log_p.exp().masked_fill(itself, 0.0)
    return (p * (log_p - log_q)).sum(1)


KINDS: dict[str, Callable[..., Tensor]] = {
    "cosine": cosine_distillation,
    "l2": l2_distillation,
    "relational": relational_distillation,
    "similarity": similarity_distillation,
}
NAMES = ("student", "teacher")
PROJECTED = ("cosine", "l2")
"""Kinds that compare each student embedding with the teacher embedding itself."""


class Distillation(nn.Module):
    """The loss of a student's embeddings against a teacher's embeddings of the same photos.

    ``cosine`` and ``l2`` compare embedding by embedding; if the dimensions differ, a linear
    projection [E, D] is trained with the student and discarded with the loss. ``relational`` and
    ``similarity`` compare relations between the photos of a batch, for any dimensions. The teacher
    has no gradient.

    Args:
        kind: one of ``KINDS``.
        student_dim: D.
        teacher_dim: E.
        temperature: τ, of ``similarity``.
        reduction: ``"mean"`` over the batch, ``"none"`` or ``"sum"``; of ``relational``, the row of
            a photo holds the distances from it and the angles at it, times B.

    Inputs: student [B, D], teacher [B, E]; computed in float32 under any autocast.

    Raises:
        InputError: an unknown kind, an argument out of range, or shapes that do not fit.
        LikewiseError: the loss is not finite.

    Example:
        >>> import torch
        >>> from likewise.losses import Distillation
        >>> loss = Distillation("cosine", student_dim=4, teacher_dim=8)
        >>> loss(torch.randn(6, 4), torch.randn(6, 8)).backward()
        >>> loss.projection.weight.shape
        torch.Size([8, 4])
    """

    def __init__(
        self,
        kind: str,
        *,
        student_dim: int,
        teacher_dim: int,
        temperature: float = 0.1,
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__()
        self.reduction = check_reduction(reduction)
        self.kind = one_of("kind", kind, KINDS)
        self.sizes = (
            check_count("student_dim", student_dim),
            check_count("teacher_dim", teacher_dim),
        )
        self.temperature = check_number("temperature", temperature, above=0)
        self.projection: nn.Linear | None = None
        if kind in PROJECTED and student_dim != teacher_dim:
            self.projection = nn.Linear(student_dim, teacher_dim, bias=False)
            # Orthogonal, so that initially no direction is stretched.
            nn.init.orthogonal_(self.projection.weight)

    def extra_repr(self) -> str:
        """Show the kind and the dimensions."""
        return f"kind={self.kind}, student_dim={self.sizes[0]}, teacher_dim={self.sizes[1]}"

    def forward(self, student: Tensor, teacher: Tensor, *, weights: Tensor | None = None) -> Tensor:
        """The loss of a batch, reduced; ``weights`` [B] are those of the photos."""
        for name, x, width in zip(NAMES, (student, teacher), self.sizes, strict=True):
            if x.ndim != 2 or x.shape != (len(student), width):
                raise InputError(
                    f"Distillation: {name}: shape {list(x.shape)}; "
                    f"must be [{len(student)}, {width}]"
                )
        if not len(student):
            return reduce_losses(zero_losses(student), self.reduction)
        with torch.autocast(student.device.type, enabled=False):
            student = student.to(torch.promote_types(student.dtype, torch.float32))
            teacher = teacher.detach().to(student)
            if self.projection is not None:
                student = F.linear(student, self.projection.weight.to(student))
            more = (self.temperature,) if self.kind == "similarity" else ()
            weights = check_weights("Distillation", weights, student)
            losses = KINDS[self.kind](student, teacher, *more)
            value = reduce_losses(losses, self.reduction, weights)
        check_loss_finite(
            f"Distillation ({self.kind})",
            value,
            lambda: "because an embedding of the student or the teacher is not finite",
        )
        return value


def _distances(x: Tensor) -> Tensor:
    """Euclidean distances between rows [B, B], from differences; at zero the gradient is zero."""
    return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")


def _over_mean(distances: Tensor) -> Tensor:
    """Distances divided by the mean over pairs of different photos."""
    count = len(distances)
    return distances / (distances.sum() / (count * (count - 1))).clamp_min(1e-12)


def _angle_losses(
    gram_student: Tensor, d_student: Tensor, gram_teacher: Tensor, d_teacher: Tensor, j: Tensor
) -> Tensor:
    """The Huber loss summed over the angles at each of the corners ``j``, [J]."""
    ours, theirs = _angles(gram_student, d_student, j), _angles(gram_teacher, d_teacher, j)
    places = torch.arange(len(gram_student), device=j.device)
    different = (
        (places[:, None] != places[None, :])
        & (places[:, None] != j[:, None, None])
        & (places[None, :] != j[:, None, None])
    )
    return (F.huber_loss(ours, theirs, reduction="none") * different).sum((1, 2))


def _angles(gram: Tensor, distances: Tensor, j: Tensor) -> Tensor:
    """``<x_i - x_j, x_k - x_j>/(d_ij·d_kj)`` at [J, i, k]."""
    own = gram[j, j]
    products = gram - gram[j][:, :, None] - gram[j][:, None, :] + own[:, None, None]
    apart = distances[j] > 0
    inverse = torch.where(apart, distances[j], 1.0).reciprocal() * apart
    return products * inverse[:, :, None] * inverse[:, None, :]
