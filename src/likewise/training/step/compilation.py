"""torch.compile for the backbone: by a switch, in place, and never the reason why a run dies."""

from __future__ import annotations

import logging

from torch import Tensor, nn

__all__ = ["Compiled"]

log = logging.getLogger(__name__)


class Compiled:
    """Calls a network whose forward pass is compiled at its first use.

    The module stays what it was: names in its ``state_dict``, copies, hooks. Where the compiler
    fails, which shows at the first batch, one warning says why and the network runs as written.

    Args:
        module: the network; it is compiled in place.
        call: what to call instead of the module itself: a wrapper around it.
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
        from torch._dynamo.exc import TorchDynamoException

        try:
            embeddings: Tensor = self.call(images)
        except (TorchDynamoException, ImportError) as error:
            if self.module._compiled_call_impl is None:
                raise
            self.module._compiled_call_impl = None
            cause = getattr(error, "inner_exception", error)
            reason = next((line for line in str(cause).splitlines() if line.strip()), "")
            log.warning(
                "training.compile: the compiler fails (%s: %s); training goes on without it",
                type(cause).__name__,
                reason.strip()[:200],
            )
            embeddings = self.call(images)
        return embeddings
