"""The automatic scale of the logits: the smallest that allows a posterior near 1."""

from __future__ import annotations

import math

from likewise.errors import InputError

__all__ = ["automatic_scale"]


def automatic_scale(num_classes: int, posterior: float = 0.9999) -> float:
    """The scale at which an embedding on its class centre can reach ``posterior``.

    Cosines lie in [-1, 1], so with a small scale even a perfect embedding cannot reach a high
    posterior. For ``C`` evenly spread centres the bound is ``(C-1)/C · ln((C-1)·P/(1-P))``
    (CosFace, arXiv 1801.09414, section 3.3). The usual 64 is meant for tens of thousands of
    classes; for forty classes this gives 12.6.

    Raises:
        InputError: fewer than two classes, or a posterior that is not between 1/C and 1.

    Example:
        >>> from likewise.losses import automatic_scale
        >>> round(automatic_scale(40), 1), round(automatic_scale(100_000), 1)
        (12.6, 20.7)
    """
    if num_classes < 2:
        raise InputError(f"num_classes: {num_classes}; an automatic scale needs at least 2")
    if not 1 / num_classes < posterior < 1:
        raise InputError(
            f"posterior: {posterior}; must be above 1/{num_classes} (chance) and below 1"
        )
    odds = (num_classes - 1) * posterior / (1 - posterior)
    return (num_classes - 1) / num_classes * math.log(odds)
