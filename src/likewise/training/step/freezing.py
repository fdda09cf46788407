"""Frozen weights, for some epochs or for the whole run."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from likewise.errors import InputError
from likewise.training.recipe.name_patterns import matching

__all__ = ["Freezing"]


class Freezing:
    """Freezes the weights that match some patterns, and the statistics of their normalisations.

    A batch normalisation whose weights are all frozen runs in evaluation mode: its running mean and
    variance do not change. One without weights is frozen if its statistics match. Everything
    depends on the epoch alone, so that a resumed run continues exactly.

    Args:
        module: the network.
        patterns: of the names of its parameters and buffers; an empty list freezes nothing.
        until: the epoch (from 0) in which the weights are unfrozen; 0: never.
        statistics: whether all batch normalisations keep their running mean and variance, for the
            whole run; their weights are trained.
        distributed: DistributedDataParallel averages the gradients. It has to know all weights that
            will be trained from the start; the gradients of frozen ones are dropped.

    Raises:
        InputError: a pattern matches no weight, or every weight would be frozen.
    """

    def __init__(
        self,
        module: nn.Module,
        patterns: Sequence[str],
        until: int = 0,
        *,
        statistics: bool = False,
        distributed: bool = False,
    ) -> None:
        self.until = until
        self.drops = distributed and until > 0
        self.frozen = False
        frozen = set(matching("model.freeze", patterns, module.state_dict()))
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.parameters = [p for name, p in trained.items() if name in frozen]
        if trained and len(self.parameters) == len(trained):
            raise InputError(
                "model.freeze: nothing of the network is left to train; leave out its last layer"
            )
        self.norms = [
            norm for prefix, norm in module.named_modules() if _is_frozen(norm, prefix, frozen)
        ]
        self.always = [part for part in module.modules() if statistics and _has_statistics(part)]
        if not until:
            self.apply(0)

    def apply(self, epoch: int) -> None:
        """Freeze or unfreeze the weights for this epoch; call it after ``module.train()``."""
        self.frozen = not self.until or epoch < self.until
        for parameter in self.parameters:
            parameter.requires_grad_(self.drops or not self.frozen)
        for norm in self.frozen_norms(epoch):
            norm.eval()

    def frozen_norms(self, epoch: int) -> list[nn.Module]:
        """The normalisations whose statistics are frozen in this epoch."""
        if self.until and epoch >= self.until:
            return self.always
        return [*self.norms, *self.always]

    def drop_gradients(self) -> None:
        """After the backward pass, drop the averaged gradients of frozen weights."""
        if self.frozen and self.drops:
            for parameter in self.parameters:
                parameter.grad = None


def _is_frozen(module: nn.Module, prefix: str, frozen: set[str]) -> bool:
    """Whether the module is a normalisation with running statistics that is frozen as a whole."""
    if not _has_statistics(module):
        return False
    own = [name for name, _ in module.named_parameters(recurse=False)]
    own = own or [name for name, _ in module.named_buffers(recurse=False)]
    return all(f"{prefix}.{name}" in frozen for name in own)


def _has_statistics(module: nn.Module) -> bool:
    """Whether the module is a normalisation with running statistics."""
    return any(name == "running_mean" for name, _ in module.named_buffers(recurse=False))
