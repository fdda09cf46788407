"""A margin in numbers: the target logit over the angle, and the boundary between two classes.

Everything is computed with the ``target`` and ``others`` of the loss itself.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from likewise.lab.figures.decision import is_logistic
from likewise.losses.head.head import Head
from likewise.losses.margins.softmax import Softmax

__all__ = ["other_curve", "own_boundary", "target_curve"]

Floats = NDArray[np.float64]
HALVINGS = 60  # of [0, π]: to the last digit of a float64


def target_curve(head: Head | Softmax, angles: ArrayLike, *, norm: float = 1.0) -> Floats:
    """The logit over the scale of a sample's own class, at angles [A]: [A].

    Args:
        head: a member of the softmax family; for plain softmax the result is the cosine.
        angles: θ, in radians.
        norm: length of the embedding, in case the margin depends on it.

    Example:
        >>> from likewise.lab.figures.boundary import target_curve
        >>> from likewise.losses import CosFace
        >>> target_curve(CosFace(num_classes=2, embedding_dim=2, margin=0.25), [0.0]).tolist()
        [0.75]
    """
    return _target(head, torch.as_tensor(np.asarray(angles, np.float64)).cos(), norm).numpy()


def other_curve(
    head: Head | Softmax, angles: ArrayLike, *, own: float = 0.0, norm: float = 1.0
) -> Floats:
    """The logit over the scale of another class, at angles [A]: [A].

    Args:
        head: a member of the softmax family.
        angles: θ between the sample and that class, in radians.
        own: the angle to the sample's own class, in case the logit depends on it.
        norm: length of the embedding, in case the logit depends on it.
    """
    cosine = torch.as_tensor(np.asarray(angles, np.float64)).cos()
    target = _target(head, torch.tensor([own], dtype=torch.float64).cos(), norm)
    return _others(head, cosine, target.expand(len(cosine))).numpy()


def own_boundary(head: Head | Softmax, angles: ArrayLike, *, norm: float = 1.0) -> Floats:
    """The decision boundary of class 1: the smallest θ2 for each θ1 [A]; NaN if there is none.

    With a larger θ2, a sample of class 1 satisfies the margin. The weights of both classes have the
    same length. For a logistic loss, θ2 is the angle from which on class 2 is rejected, and NaN if
    θ1 is too large for class 1 to be accepted.

    Example:
        >>> from likewise.lab.figures.boundary import own_boundary
        >>> from likewise.losses import ArcFace
        >>> loss = ArcFace(num_classes=2, embedding_dim=2, margin=0.5)
        >>> own_boundary(loss, [0.25]).round(6).tolist()
        [0.75]
    """
    own = torch.as_tensor(np.asarray(angles, np.float64))
    target = _target(head, own.cos(), norm)
    needed, possible = target, torch.ones_like(own, dtype=torch.bool)
    if is_logistic(head):
        bias = _bias(head, norm)
        needed, possible = torch.full_like(target, -bias), target + bias >= 0
    # The other logit falls with θ2: bisect.
    low, high = torch.zeros_like(own), torch.full_like(own, math.pi)
    reached = possible & (_others(head, high.cos(), target) <= needed)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = _others(head, middle.cos(), target) > needed
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    found = high.masked_fill(~reached, math.nan)
    return found.numpy()


@torch.no_grad()
def _target(head: Head | Softmax, cosine: Tensor, norm: float) -> Tensor:
    if isinstance(head, Softmax):
        return cosine
    training = head.training
    head.eval()  # no running statistics are updated
    try:
        return head.target(cosine, head.margins(torch.full_like(cosine, norm)))
    finally:
        head.train(training)


@torch.no_grad()
def _others(head: Head | Softmax, cosine: Tensor, target: Tensor) -> Tensor:
    if isinstance(head, Softmax):
        return cosine
    return head.others(cosine[:, None], target)[:, 0]


@torch.no_grad()
def _bias(head: Head | Softmax, norm: float) -> float:
    """The offset over the scale."""
    assert isinstance(head, Head)
    return float(head.offset().double() / head.scales(torch.tensor([norm]).double())[0])
