"""Which faces are clear enough to found a group, and which to join one.

Embeddings of blurred, tiny and false faces are near each other, whoever it is: without this, photos
of crowds give groups of unrelated faces. The length of the raw embedding tells them from the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["clarity"]

# Measured on 135 photos of LFW (45 people) with 113 photos of crowds (WIDER FACE), by SFace, as
# docs/albums.md says: with the rule, only three groups of crowd faces, all right. On LFW alone, a
# share of 2 % that founds no group costs less than .001 of the B-cubed F.
FOUNDS, JOINS = 0.02, 0.001
"""The least quality: the share of the model's reference photos with a shorter raw embedding."""
RELATIVE_FOUNDS, RELATIVE_JOINS = 0.7, 0.55
"""Without a reference: the least length, relative to the length that a tenth of the good exceed."""


def clarity(
    norms: NDArray[np.floating], qualities: NDArray[np.floating], plain: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which faces found a group, and which join one.

    Args:
        norms: [N], the lengths of the raw embeddings.
        qualities: [N], from 0 to 1; NaN for a model without a reference.
        plain: bool [N], whether nothing else speaks against the face, such as its size.

    Returns:
        Two of bool [N]: founds, joins. A face that founds also joins.

    Example:
        >>> import numpy as np
        >>> from likewise.recognition.albums.clarity import clarity
        >>> founds, joins = clarity(
        ...     np.ones(3), np.array([0.5, 0.01, 0.0]), np.array([True, True, True])
        ... )
        >>> founds.tolist(), joins.tolist()
        ([True, False, False], [True, True, False])
    """
    best = norms[plain] if plain.any() else norms
    high = float(np.quantile(best, 0.9)) if len(best) else 0.0
    measured = np.isfinite(qualities)
    joins = np.where(measured, qualities > JOINS, norms >= RELATIVE_JOINS * high)
    founds = np.where(measured, qualities >= FOUNDS, norms >= RELATIVE_FOUNDS * high)
    return founds & plain, joins
