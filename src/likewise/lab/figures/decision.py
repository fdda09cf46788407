"""How a trained loss classifies points of the plane, computed with the code of the loss itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from likewise.losses.head.head import Head
from likewise.losses.head.reduction import Logistic
from likewise.losses.loss import Wrapper
from likewise.losses.margins.prototype_memory import PrototypeMemory
from likewise.losses.margins.softmax import Softmax
from likewise.losses.pairs.center import Center

__all__ = [
    "UNSURE",
    "centres",
    "class_points",
    "classifier",
    "decide",
    "decide_with_margin",
    "is_logistic",
]

UNSURE = -1
"""The decision where no class wins with the margin applied against it."""


def classifier(loss: nn.Module) -> Head | Softmax | None:
    """The classifier in a loss: the loss itself or a loss inside; None if there is none."""
    if isinstance(loss, Head | Softmax):
        return loss
    if isinstance(loss, Wrapper):
        return next((part for one in loss.inner() if (part := classifier(one)) is not None), None)
    return None


def class_points(loss: nn.Module) -> tuple[str, Tensor] | None:
    """The points [C·K, D] by which a loss represents its classes, and their name; else None."""
    for module in loss.modules():
        if isinstance(module, PrototypeMemory):
            order = module.classes.argsort()[-module.filled :]
            return "prototypes", module.prototypes[order]
    for name, parameter in loss.named_parameters():
        last = name.rpartition(".")[2]
        if last in ("weight", "proxies") and parameter.ndim == 2:
            return {"weight": "class weights", "proxies": "proxies"}[last], parameter.detach()
    return None


def centres(loss: nn.Module) -> Tensor | None:
    """The centres [C, D] of the centre loss, alone or in a sum; None without one."""
    found = [module.centers.detach() for module in loss.modules() if isinstance(module, Center)]
    return found[0] if found else None


def is_logistic(head: Head | Softmax) -> bool:
    """Whether the loss makes an independent binary decision for each class."""
    return isinstance(head, Head) and isinstance(head.reduce(torch.zeros(1)), Logistic)


@torch.no_grad()
def decide(part: Head | Softmax, points: Tensor) -> Tensor:
    """The class with the largest logit, without margins: points [N, D] → int64 [N]."""
    if isinstance(part, Softmax):
        logits = points @ part.weight.to(points).T
        logits = logits if part.bias is None else logits + part.bias.to(points)
        return logits.argmax(1)
    return (_cosines(part, points) * _lengths(part)).argmax(1)


@torch.no_grad()
def decide_with_margin(part: Head | Softmax, points: Tensor) -> Tensor:
    """The class that wins with the margin applied against it, or ``UNSURE``: int64 [N].

    Where class y wins, a sample of class y has a small loss: with the margin applied, its logit is
    the largest (for a logistic loss: it is positive, and all others are negative).
    """
    if isinstance(part, Softmax):
        return decide(part, points)
    cosines, lengths = _cosines(part, points), _lengths(part)
    norms = torch.linalg.vector_norm(points, dim=1)
    margin, classes = part.margins(norms), cosines.shape[1]
    decided = torch.full((len(points),), UNSURE, dtype=torch.int64)
    for own in range(classes):
        target = part.target(cosines[:, own], margin)
        rest = [other for other in range(classes) if other != own]
        others = part.others(cosines[:, rest], target)
        logit, rivals = target * lengths[own], (others * lengths[rest]).amax(1)
        if is_logistic(part):
            bias = part.offset() / part.scales(norms)
            won = (logit + bias > 0) & (rivals + bias < 0)
        else:
            won = logit > rivals
        decided[won] = own
    return decided


def _cosines(head: Head, points: Tensor) -> Tensor:
    """Cosines with the nearest sub-centre of each class, [N, C]."""
    unit = nn.functional.normalize(points, dim=1)
    weight = nn.functional.normalize(head.weight.to(points), dim=1)
    return (unit @ weight.T).view(len(points), head.num_classes, head.subcenters).amax(2)


def _lengths(head: Head) -> Tensor:
    """The factor of each class's logits, [C]: the length of its weights, or 1."""
    if head.unit_weights:
        return head.weight.new_ones(head.num_classes)
    lengths: Tensor = torch.linalg.vector_norm(head.weight, dim=1)
    return lengths
