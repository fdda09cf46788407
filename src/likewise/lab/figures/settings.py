"""The settings with which each loss is trained and drawn, read from its registration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from likewise.arguments import one_of
from likewise.lab.figures.decision import class_points
from likewise.losses import Boundary, FigureSettings, Head, Softmax, create_loss
from likewise.losses.registry import registered_losses, softmax_family

__all__ = ["DrawnCurve", "Setting", "boundary_of", "curves_of", "setting_of", "settings"]

CLASSES = 8


@dataclass(frozen=True)
class Setting:
    """A loss, and how its figures are made.

    Args:
        name: as in ``list_losses()``.
        figure: what its registration says.
    """

    name: str
    figure: FigureSettings

    @property
    def has_boundary(self) -> bool:
        """Whether there is a figure of its margin: only in the softmax family."""
        return self.name in softmax_family()

    def create(self, *, num_classes: int, embedding_dim: int) -> nn.Module:
        """Create the loss with new weights."""
        loss = create_loss(
            self.figure.loss or self.name,
            num_classes=num_classes,
            embedding_dim=embedding_dim,
            **self.figure.params,
        )
        if self.figure.spread and (learned := class_points(loss)) is not None:
            _spread_evenly(learned[1])
        return loss


@dataclass(frozen=True)
class DrawnCurve:
    """One curve of a boundary: a loss in some state, and the length of an embedding."""

    label: str
    head: Head | Softmax
    norm: float = 1.0


def settings() -> dict[str, Setting]:
    """The settings of all losses, by name."""
    return {name: Setting(name, found.figure) for name, found in registered_losses().items()}


def setting_of(name: str) -> Setting:
    """The setting of a loss.

    Raises:
        InputError: an unknown name; the nearest is suggested.
    """
    known = settings()
    return known[one_of("loss", name, known)]


def boundary_of(name: str) -> Boundary:
    """The boundary figure of a member of the softmax family.

    Raises:
        InputError: an unknown name; the nearest is suggested.

    Example:
        >>> from likewise.lab.figures.settings import boundary_of
        >>> boundary_of("arcface").rule
        'θ₁ + m < θ₂'
    """
    return setting_of(one_of("loss", name, softmax_family())).figure.boundary


def curves_of(name: str) -> list[DrawnCurve]:
    """The curves of a boundary figure, each with its loss, in evaluation mode."""
    drawn = []
    for curve in boundary_of(name).curves:
        head = create_loss(name, num_classes=CLASSES, embedding_dim=2, **curve.params).eval()
        assert isinstance(head, Head | Softmax)
        for buffer, value in curve.buffers.items():
            head.get_buffer(buffer).fill_(value)
        drawn.append(DrawnCurve(curve.label, head, curve.norm))
    return drawn


def _spread_evenly(weights: Tensor) -> None:
    """Make unit rows: on a circle in equal steps, in space in their own directions."""
    if weights.shape[1] == 2:
        angles = torch.arange(len(weights)) * (2 * math.pi / len(weights))
        weights.copy_(torch.stack((angles.cos(), angles.sin()), dim=1))
    else:
        weights.copy_(nn.functional.normalize(weights, dim=1))
