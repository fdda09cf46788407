"""What a loss refuses, and how it says so: the argument, its value, what is allowed."""

from __future__ import annotations

import math
from numbers import Integral, Real

import torch
from torch import Tensor

from likewise.errors import InputError, LikewiseError
from likewise.losses.refusals import refuse_where

__all__ = [
    "check_count",
    "check_embeddings",
    "check_labels",
    "check_loss_finite",
    "check_number",
    "check_rows_finite",
]


def check_count(name: str, value: object, *, least: int = 1) -> int:
    """Return ``value`` if it is a whole number of at least ``least``.

    Raises:
        InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{name}: {value!r}; must be a whole number of at least {least}")
    return int(value)


def check_number(
    name: str,
    value: object,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
) -> float:
    """Return ``value`` if it is finite, ``above < value`` and ``least ≤ value ≤ most``.

    Raises:
        InputError: it is not.
    """
    allowed = [f"above {above:g}"] if above > -math.inf else []
    allowed += [f"at least {least:g}"] if least > -math.inf else []
    allowed += [f"at most {most:.6g}"] if most < math.inf else []
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not (math.isfinite(number) and least <= number <= most and number > above):
        raise InputError(
            f"{name}: {value!r}; must be a finite number {' and '.join(allowed)}".rstrip()
        )
    return number


def check_embeddings(embeddings: Tensor, dim: int | None = None) -> None:
    """Refuse what is not a floating-point [B, D] tensor (D = ``dim`` where it is known).

    Raises:
        InputError: names the shape or the dtype.
    """
    if not isinstance(embeddings, Tensor):
        raise InputError(f"embeddings: a {type(embeddings).__name__}; must be a tensor [B, D]")
    if embeddings.ndim != 2 or (dim is not None and embeddings.shape[1] != dim):
        width = "D" if dim is None else dim
        raise InputError(f"embeddings: shape {tuple(embeddings.shape)}; must be [B, {width}]")
    if not embeddings.is_floating_point():
        raise InputError(f"embeddings: dtype {embeddings.dtype}; must be floating point")


def check_labels(labels: Tensor, embeddings: Tensor, num_classes: int | None = None) -> None:
    """Refuse labels that are not int64 [B] beside the embeddings, or not in [0, num_classes).

    Narrower integers and floats are refused, not converted: a float32 label has already merged
    identities above 2²⁴.

    Raises:
        InputError: names the shape, dtype, device or the label out of range.
    """
    if not isinstance(labels, Tensor):
        raise InputError(f"labels: a {type(labels).__name__}; must be a tensor [B] of int64")
    if labels.shape != embeddings.shape[:1]:
        raise InputError(
            f"labels: shape {tuple(labels.shape)}; must be [{len(embeddings)}], "
            "one for each row of embeddings"
        )
    if labels.dtype != torch.int64:
        raise InputError(f"labels: dtype {labels.dtype}; must be torch.int64")
    if labels.device != embeddings.device:
        raise InputError(
            f"labels: on {labels.device}; must be on {embeddings.device}, beside the embeddings"
        )
    if num_classes is None or not len(labels):
        return
    wrong = (labels < 0) | (labels >= num_classes)

    def error() -> InputError:
        row = int(wrong.nonzero()[0, 0])
        return InputError(
            f"labels: {int(labels[row])} in row {row}; must be from 0 to {num_classes - 1}"
        )

    refuse_where(wrong, error)


def check_rows_finite(loss: str, embeddings: Tensor) -> None:
    """Refuse embeddings [B, D] that are not finite.

    Raises:
        InputError: names the loss and the first such row.
    """
    wrong = (~embeddings.isfinite()).any(dim=1)

    def error() -> InputError:
        rows = wrong.nonzero()[:, 0]
        return InputError(
            f"{loss}: embeddings: row {int(rows[0])} holds NaN or infinity "
            f"({len(rows)} of {len(embeddings)} rows do); all must be finite"
        )

    refuse_where(wrong, error)


def check_loss_finite(loss: str, value: Tensor) -> None:
    """Refuse a loss that is not finite although the embeddings are: a step that can be skipped.

    Raises:
        LikewiseError: names the loss and its value.
    """
    value = value.detach()
    refuse_where(
        ~value.isfinite(),
        lambda: LikewiseError(
            f"{loss}: the loss is {value.item()} although the embeddings are finite: the class "
            "weights, or what is made from them and from the length of the embeddings, are not"
        ),
    )
