"""How ``likewise figures`` trains and draws a loss, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Boundary", "Curve", "FigureSettings"]


@dataclass(frozen=True)
class Curve:
    """One curve in the figure of a decision boundary: the loss in some state.

    Args:
        label: its entry in the legend.
        params: of the loss's constructor, where they differ from the defaults.
        buffers: values of running statistics.
        norm: length of the embedding.
    """

    label: str
    params: Mapping[str, Any] = field(default_factory=dict)
    buffers: Mapping[str, float] = field(default_factory=dict)
    norm: float = 1.0


@dataclass(frozen=True)
class Boundary:
    """The figure of a margin: the target logit over the angle, and the decision boundary.

    Args:
        rule: the condition that the margin sets for a sample of class 1, in a line.
        curves: the regions of the first one are filled.
        others: legend of the logit of the other classes, where that is not their cosine.
        largest_angle: of the (θ1, θ2) plane.
    """

    rule: str = ""
    curves: tuple[Curve, ...] = (Curve("own class"),)
    others: str = "the other class"
    largest_angle: float = math.pi / 2


@dataclass(frozen=True)
class FigureSettings:
    """How the figures of a loss are made: the usual scales and margins are too large for a circle.

    Args:
        title: the usual name of the loss.
        caption: what the loss does, in a line.
        params: of its constructor; all others keep their defaults.
        params_text: ``params`` as a figure writes them.
        loss: what is trained, as for ``create_loss``, if not the loss alone.
        lr: learning rate of the network.
        loss_lr: learning rate of the class weights.
        spread: begin with class weights spread evenly over the circle. A loss that decides on each
            class independently pushes before it pulls: class weights that begin close together
            would all be driven to one side.
        boundary: the figure of the margin, of a member of the softmax family.
    """

    title: str
    caption: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    params_text: str = ""
    loss: str = ""
    lr: float = 1e-3
    loss_lr: float = 1e-2
    spread: bool = False
    boundary: Boundary = Boundary()
