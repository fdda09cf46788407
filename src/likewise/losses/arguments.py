"""Checks of a loss's own arguments, each an ``InputError`` that names the argument."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.errors import InputError
from likewise.losses.refusals import refuse_where

__all__ = ["check_batch_of_classes", "from_zero", "positive", "size"]


def positive(loss: str, argument: str, value: float) -> float:
    """``value`` as a float, if it is a finite number above zero."""
    if not 0 < value < math.inf:
        raise InputError(f"{loss}: {argument}: {value}; a finite number above 0 is expected")
    return float(value)


def from_zero(loss: str, argument: str, value: float) -> float:
    """``value`` as a float, if it is a finite number from zero."""
    if not 0 <= value < math.inf:
        raise InputError(f"{loss}: {argument}: {value}; a finite number from 0 is expected")
    return float(value)


def size(loss: str, argument: str, value: int) -> int:
    """``value``, if it is an integer from one."""
    if not isinstance(value, int) or value < 1:
        raise InputError(f"{loss}: {argument}: {value!r}; an integer from 1 is expected")
    return value


def check_batch_of_classes(loss: str, embeddings: Tensor, labels: Tensor, weights: Tensor) -> None:
    """Embeddings [B, D] and labels [B] fit the class weights [C, D].

    Raises:
        InputError: another dimension or device; a label outside 0 to C-1.
    """
    classes, dimension = weights.shape
    if embeddings.shape[1] != dimension:
        raise InputError(
            f"{loss}: embeddings: dimension {embeddings.shape[1]}; {dimension} is expected"
        )
    if embeddings.device != weights.device:
        raise InputError(
            f"{loss}: embeddings: on {embeddings.device}; {weights.device}, "
            "where the class weights are, is expected"
        )
    outside = (labels < 0) | (labels >= classes)

    def error() -> InputError:
        row = int(outside.nonzero()[0])
        return InputError(
            f"{loss}: labels: row {row} is {int(labels[row])}; 0 to {classes - 1} is expected"
        )

    refuse_where(outside, error)
