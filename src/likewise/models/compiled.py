"""torch.compile for forward passes; if the compiler fails, the network runs without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from likewise.errors import first_line

__all__ = ["CompiledForward", "compiler_errors", "failure_of_compiler"]

log = logging.getLogger(__name__)


def compiler_errors() -> tuple[type[Exception], ...]:
    """What torch.compile raises if the compiler fails; an error of the network is none of these."""
    from torch._dynamo.exc import TorchDynamoException

    return (TorchDynamoException, ImportError)


def failure_of_compiler(error: Exception) -> str:
    """The cause of such an error, on one line."""
    cause = getattr(error, "inner_exception", error)
    return f"{type(cause).__name__}: {first_line(cause)[:200]}"


class CompiledForward:
    """The compiled forward pass of a network: compiled at its first batch, then kept.

    The network itself stays uncompiled, for all that calls it elsewhere. A copy is compiled anew.

    Args:
        backend: of ``torch.compile``.
    """

    def __init__(self, backend: str | Callable[..., Any] = "inductor") -> None:
        self.backend = backend
        self._module: nn.Module | None = None
        self._call: Callable[[Tensor], Tensor] | None = None

    def __call__(self, module: nn.Module, images: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D], by this network."""
        if self._call is None or self._module is not module:
            # Sizes are fixed: code for free ones is slower, and only full batches come here.
            self._call = torch.compile(module, backend=self.backend, dynamic=False)
            self._module = module
        try:
            found: Tensor = self._call(images)
        except compiler_errors() as error:
            if self._call is module:
                raise
            self._call = module
            log.warning(
                "compile: the compiler fails (%s); the network runs without it",
                failure_of_compiler(error),
            )
            found = self._call(images)
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledForward:
        return CompiledForward(self.backend)
