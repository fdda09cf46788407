"""What a loss refuses by looking at numbers: at once, or all together at the end of a step.

To look at a number on an accelerator is to wait for it. A training step that looks at one flag at
its end instead of six along the way keeps the accelerator busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from torch import Tensor

from likewise.errors import LikewiseError

__all__ = ["Refusal", "put_off", "refuse_where"]


class Refusal(NamedTuple):
    """Something to refuse, if it turns out so.

    Args:
        wrong: whether it does, [] bool.
        error: makes what is raised then.
    """

    wrong: Tensor
    error: Callable[[], LikewiseError]


_put_off: ContextVar[list[Refusal] | None] = ContextVar("refusals", default=None)


@contextmanager
def put_off() -> Iterator[list[Refusal]]:
    """Within this, nothing is looked at: what might be refused is in the list, for the caller.

    Example:
        >>> import torch
        >>> from likewise.losses import ArcFace
        >>> from likewise.losses.refusals import put_off
        >>> loss = ArcFace(num_classes=3, embedding_dim=2)
        >>> with put_off() as refusals:
        ...     value = loss(torch.full((2, 2), torch.nan), torch.tensor([0, 1]))
        >>> any(bool(refusal.wrong) for refusal in refusals)
        True
    """
    refusals: list[Refusal] = []
    token = _put_off.set(refusals)
    try:
        yield refusals
    finally:
        _put_off.reset(token)


def refuse_where(wrong: Tensor, error: Callable[[], LikewiseError]) -> None:
    """Refuse something if any of ``wrong`` holds; within ``put_off``, later.

    Args:
        wrong: bool, of any shape.
        error: makes what is raised.

    Raises:
        LikewiseError: what ``error`` makes.
    """
    refusals = _put_off.get()
    if refusals is not None:
        refusals.append(Refusal(wrong.any(), error))
    elif bool(wrong.any()):
        raise error()
