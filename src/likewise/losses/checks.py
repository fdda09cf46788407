"""Checks of the tensors that a loss is given, at once or deferred to the end of a training step.

Reading a number from an accelerator means waiting for it. A training step that reads one flag at
its end, instead of six along the way, keeps the accelerator busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor

from likewise.errors import InputError, LikewiseError

__all__ = [
    "DeferredCheck",
    "check_batch",
    "check_embeddings",
    "check_loss_finite",
    "check_rows_finite",
    "defer_checks",
    "refuse_where",
]


class DeferredCheck(NamedTuple):
    """A check whose outcome has not been read from the device yet.

    Args:
        wrong: whether it fails, [] bool.
        error: makes the error to raise if it fails.
    """

    wrong: Tensor
    error: Callable[[], LikewiseError]


_deferred: ContextVar[list[DeferredCheck] | None] = ContextVar("deferred", default=None)


@contextmanager
def defer_checks() -> Iterator[list[DeferredCheck]]:
    """Checks inside read nothing from the device; they are put into the list for the caller.

    Example:
        >>> import torch
        >>> from likewise.losses import ArcFace
        >>> from likewise.losses.checks import defer_checks
        >>> loss = ArcFace(num_classes=3, embedding_dim=2)
        >>> with defer_checks() as checks:
        ...     value = loss(torch.full((2, 2), torch.nan), torch.tensor([0, 1]))
        >>> any(bool(check.wrong) for check in checks)
        True
    """
    checks: list[DeferredCheck] = []
    token = _deferred.set(checks)
    try:
        yield checks
    finally:
        _deferred.reset(token)


def refuse_where(wrong: Tensor, error: Callable[[], LikewiseError]) -> None:
    """Raise an error if any entry of ``wrong`` is true; within ``defer_checks``, record the check.

    Args:
        wrong: bool, of any shape.
        error: makes the error.

    Raises:
        LikewiseError: the result of ``error``.
    """
    checks = _deferred.get()
    if checks is not None:
        checks.append(DeferredCheck(wrong.any(), error))
    elif bool(wrong.any()):
        raise error()


def check_batch(
    loss: str,
    embeddings: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    num_classes: int | None = None,
) -> None:
    """Refuse a batch that is not floating-point [B, D] with int64 labels [B] beside it.

    Narrower labels and float labels are refused, not converted: float32 has already merged
    identities above 2²⁴.

    Args:
        loss: its name.
        embeddings: [B, D].
        labels: [B].
        weights: [any, D], with which the embeddings are compared: D and the device must agree.
        num_classes: C, if the labels must be from 0 to C-1.

    Raises:
        InputError: names the loss and the shape, the dtype, the device or the label.
    """
    check_embeddings(loss, embeddings, weights)
    _check_labels(f"{loss}: labels:", labels, embeddings)
    if num_classes is None or not len(labels):
        return
    wrong = (labels < 0) | (labels >= num_classes)

    def error() -> InputError:
        row = int(wrong.nonzero()[0, 0])
        return InputError(
            f"{loss}: labels: {int(labels[row])} in row {row}; must be from 0 to {num_classes - 1}"
        )

    refuse_where(wrong, error)


def check_embeddings(
    loss: str, embeddings: Tensor, weights: Tensor | None = None, argument: str = "embeddings"
) -> None:
    """Refuse embeddings that are not floating-point [B, D].

    Args:
        loss: its name.
        embeddings: [B, D].
        weights: [any, D], with which they are compared: D and the device must agree.
        argument: as the message names them.

    Raises:
        InputError: names the loss and the shape, the dtype or the device.
    """
    subject = f"{loss}: {argument}:"
    _check_matrix(subject, embeddings, None if weights is None else weights.shape[1])
    if weights is not None and embeddings.device != weights.device:
        raise InputError(
            f"{subject} on {embeddings.device}; must be on {weights.device}, "
            "beside the class weights"
        )


def _check_matrix(subject: str, embeddings: Tensor, dim: int | None) -> None:
    if not isinstance(embeddings, Tensor):
        raise InputError(f"{subject} a {type(embeddings).__name__}; must be a tensor [B, D]")
    if embeddings.ndim != 2 or (dim is not None and embeddings.shape[1] != dim):
        width = "D" if dim is None else dim
        raise InputError(f"{subject} shape {tuple(embeddings.shape)}; must be [B, {width}]")
    if not embeddings.is_floating_point():
        raise InputError(f"{subject} dtype {embeddings.dtype}; must be floating point")


def _check_labels(subject: str, labels: Tensor, embeddings: Tensor) -> None:
    if not isinstance(labels, Tensor):
        raise InputError(f"{subject} a {type(labels).__name__}; must be a tensor [B] of int64")
    if labels.shape != embeddings.shape[:1]:
        raise InputError(
            f"{subject} shape {tuple(labels.shape)}; must be [{len(embeddings)}], "
            "one for each row of embeddings"
        )
    if labels.dtype != torch.int64:
        raise InputError(f"{subject} dtype {labels.dtype}; must be torch.int64")
    if labels.device != embeddings.device:
        raise InputError(
            f"{subject} on {labels.device}; must be on {embeddings.device}, beside the embeddings"
        )


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


def check_loss_finite(loss: str, value: Tensor, reason: Callable[[], str]) -> None:
    """Refuse a loss that is not finite although the embeddings are; a step can be skipped then.

    Args:
        loss: its name.
        value: the loss, [] or [B].
        reason: makes the part of the message that says why.

    Raises:
        LikewiseError: names the loss and its value.
    """
    value = value.detach()
    wrong = ~value.isfinite()
    refuse_where(
        wrong, lambda: LikewiseError(f"{loss}: the loss is {value[wrong][0].item()} {reason()}")
    )
