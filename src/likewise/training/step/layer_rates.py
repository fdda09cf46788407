"""How far each weight of the network is behind the peak learning rate."""

from __future__ import annotations

from torch import nn

from likewise.models.stages import stages_of
from likewise.training.recipe.name_patterns import matching
from likewise.training.recipe.recipe import Optimizer

__all__ = ["layer_rates"]


def layer_rates(choice: Optimizer, module: nn.Module) -> dict[str, float]:
    """The factor of each parameter's learning rate, by its name.

    ``layer_decay`` to the power of the stages between a parameter and the output (see
    :func:`~likewise.models.stages.stages_of`; Clark et al., ELECTRA, arXiv 2003.10555), times the
    first factor of ``lr_scale`` whose pattern fits.

    Raises:
        InputError: a pattern of ``lr_scale`` fits no parameter.
    """
    stages = stages_of(module)
    last = max(stages.values(), default=0)
    factors = {name: choice.layer_decay ** (last - stage) for name, stage in stages.items()}
    scaled: set[str] = set()
    for pattern, factor in choice.lr_scale.items():
        for name in matching("optimizer.lr_scale", [pattern], factors):
            if name not in scaled:
                factors[name] *= factor
                scaled.add(name)
    return factors
