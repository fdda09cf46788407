"""The length of the gradient, and its largest allowed one."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["clip_gradients"]


@torch.no_grad()
def clip_gradients(parameters: Iterable[Tensor], most: float) -> Tensor:
    """Shorten the gradients of all parameters together to the length ``most``, 0 for no limit.

    Sparse gradients, as class sampling leaves them, count by the rows that they hold.

    Returns:
        The length before, []; not finite if any gradient is not. Then nothing is shortened.
    """
    held = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            held.append(parameter.grad._values())
        else:
            held.append(parameter.grad)
    norm = nn.utils.get_total_norm(held)
    if most and held:
        factor = torch.where(norm.isfinite(), most / (norm + 1e-6), 1.0).clamp(max=1.0)
        torch._foreach_mul_(held, factor)
    return norm
