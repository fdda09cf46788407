"""What the shares of one step depend on, so that none is taken for those of another."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.distances import Distance
from likewise.distances.mahalanobis import Mahalanobis

__all__ = ["contents_key"]


def contents_key(distance: Distance | None, *arrays: NDArray[Any]) -> list[object]:
    """The distance and what the arrays hold, as JSON; of the numbers a hash.

    Args:
        distance: the cosine if None.
        arrays: of any shapes and kinds.
    """
    metric, parts = "cosine" if distance is None else repr(distance), list(arrays)
    if isinstance(distance, Mahalanobis):
        parts.append(distance.factor.detach().cpu().numpy())
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return [metric, [[str(part.dtype), *part.shape] for part in parts], digest.hexdigest()]
