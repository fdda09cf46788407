"""Autograd functions that raise an error if their gradient is differentiated again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from likewise.errors import LikewiseError

__all__ = ["once_differentiable", "origin"]

Backward = Callable[..., tuple[Tensor | None, ...]]


def origin(*inputs: Tensor) -> Tensor:
    """An empty tensor [0] that depends on all ``inputs`` in the graph, for ``ctx.origin``."""
    return torch.cat([(x if x.ndim else x[None])[:0].flatten() for x in inputs])


def once_differentiable(what: str) -> Callable[[Backward], Backward]:
    """Decorate the ``backward`` of an autograd function whose gradients have no graph of their own.

    With ``create_graph=True``, each gradient depends on ``ctx.origin`` and on the upstream gradient
    through a node that raises a ``LikewiseError``. torch's own decorator adds its node only if the
    upstream gradient requires a gradient, and does not connect it to the inputs, so
    ``autograd.grad`` ignores it and second derivatives silently lack a term.

    Args:
        what: the subject of the error's sentence.
    """

    def mark(backward: Backward) -> Backward:
        @functools.wraps(backward)
        def marked(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
            with torch.no_grad():
                gradients = backward(ctx, *upstream)
            if not torch.is_grad_enabled():
                return gradients
            return tuple(
                g if g is None else cast(Tensor, _Constant.apply(g, what, ctx.origin, *upstream))
                for g in gradients
            )

        return marked

    return mark


class _Constant(torch.autograd.Function):
    """Returns ``gradient``, with a backward pass that raises."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, what: str, *_sources: Tensor) -> Tensor:
        ctx.what = what
        return gradient.detach()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Tensor:
        raise LikewiseError(
            f"{ctx.what} is differentiable once: its gradient has no gradient, which a gradient "
            "penalty or a Hessian needs; use another loss for these"
        )
