"""Weights that stand still, for some epochs or for the whole run."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from likewise.errors import InputError
from likewise.training.recipe.name_patterns import matching

__all__ = ["Freezing"]


class Freezing:
    """Holds the weights that some patterns name, and the statistics of their normalisations.

    A batch normalisation whose own weights are all held is evaluated, not trained: its running
    mean and variance stay what they were. One without weights is held if its statistics are
    named. Which epoch it is decides everything, so that a run continues exactly.

    Args:
        module: the network.
        patterns: of the names of its parameters and buffers; none holds nothing.
        until: the first epoch (from 0) in which they move; 0: never.
        together: several processes train: what will move later on has to take part in the
            averaging of gradients from the beginning, and its gradients are dropped until then.

    Raises:
        InputError: a pattern fits no weight, or nothing is left to train.
    """

    def __init__(
        self,
        module: nn.Module,
        patterns: Sequence[str],
        until: int = 0,
        *,
        together: bool = False,
    ) -> None:
        self.until = until
        self.drops = together and until > 0
        self.held = False
        held = set(matching("model.freeze", patterns, module.state_dict()))
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.parameters = [p for name, p in trained.items() if name in held]
        if trained and len(self.parameters) == len(trained):
            raise InputError(
                "model.freeze: nothing of the network is left to train; leave its last layer out"
            )
        self.norms = [
            norm for prefix, norm in module.named_modules() if _is_held(norm, prefix, held)
        ]
        if not until:
            self.apply(0)

    def apply(self, epoch: int) -> None:
        """Hold the weights or let them go, as this epoch wants it; after ``module.train()``."""
        self.held = not self.until or epoch < self.until
        for parameter in self.parameters:
            parameter.requires_grad_(self.drops or not self.held)
        for norm in self.norms_held(epoch):
            norm.eval()

    def norms_held(self, epoch: int) -> list[nn.Module]:
        """The normalisations whose statistics stand still in this epoch."""
        return self.norms if not self.until or epoch < self.until else []

    def drop_gradients(self) -> None:
        """After the backward pass: what is held has no gradient, whatever was averaged."""
        if self.held and self.drops:
            for parameter in self.parameters:
                parameter.grad = None


def _is_held(module: nn.Module, prefix: str, held: set[str]) -> bool:
    """Whether it is a normalisation with running statistics, and all of its own is held."""
    if not any(name == "running_mean" for name, _ in module.named_buffers(recurse=False)):
        return False
    own = [name for name, _ in module.named_parameters(recurse=False)]
    own = own or [name for name, _ in module.named_buffers(recurse=False)]
    return all(f"{prefix}.{name}" in held for name in own)
