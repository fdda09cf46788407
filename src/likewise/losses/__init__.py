"""Losses that shape an embedding space, one idea a file."""

from __future__ import annotations

from likewise.losses.arcface import ArcFace
from likewise.losses.cosface import CosFace
from likewise.losses.head import Head
from likewise.losses.normalized_softmax import NormalizedSoftmax
from likewise.losses.registry import create_loss, list_losses
from likewise.losses.scale import automatic_scale
from likewise.losses.softmax import Softmax

__all__ = [
    "ArcFace",
    "CosFace",
    "Head",
    "NormalizedSoftmax",
    "Softmax",
    "automatic_scale",
    "create_loss",
    "list_losses",
]
