"""torch.compile for the network; if the compiler fails, the network runs without it."""

from __future__ import annotations

import logging

from torch import Tensor, nn

from likewise.models.compiled import compiler_errors, failure_of_compiler

__all__ = ["Compiled"]

log = logging.getLogger(__name__)


class Compiled:
    """A network whose forward pass is compiled at the first batch.

    The module is compiled in place: names in its ``state_dict``, copies and hooks stay the same. If
    the compiler fails, one warning says why, and the network runs uncompiled.

    Args:
        module: the network.
        call: a wrapper around the module to call in its place.
        backend: of ``torch.compile``.
    """

    def __init__(
        self, module: nn.Module, call: nn.Module | None = None, backend: str = "inductor"
    ) -> None:
        self.module = module
        self.call = module if call is None else call
        module.compile(backend=backend)

    def __call__(self, images: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D]."""
        try:
            embeddings: Tensor = self.call(images)
        except compiler_errors() as error:
            if self.module._compiled_call_impl is None:
                raise
            self.module._compiled_call_impl = None
            log.warning(
                "training.compile: the compiler fails (%s); training continues without it",
                failure_of_compiler(error),
            )
            embeddings = self.call(images)
        return embeddings
