"""Queries that are indexed as well: each finds itself, and shows a better recall than there is."""

from __future__ import annotations

import numpy as np

from likewise.errors import InputError
from likewise.search.contents.row_hashes import row_hashes
from likewise.search.families.engine import Vectors
from likewise.search.tuning.probes import Probes

__all__ = ["without_indexed"]

MOST = 0.5  # of the queries: where more are indexed, the wrong file was named


def without_indexed(probes: Probes, vectors: Vectors) -> tuple[Probes, str]:
    """The probes whose vectors are not among those indexed, and a line on the others.

    Args:
        probes: as the space admits them, float32 [Q,D].
        vectors: as the space admits them, float32 [N,D].

    Returns:
        The line is empty where there are no others.

    Raises:
        InputError: most of the queries are indexed, or fewer than two are left.
    """
    if vectors.shape[1] != probes.queries.shape[1]:
        return probes, ""  # refused elsewhere, by a line on dimensions
    indexed = np.isin(row_hashes(probes.queries), row_hashes(vectors))
    count = int(indexed.sum())
    if count == 0:
        return probes, ""
    told = f"queries: {count:,} of {len(probes):,} have the very vector of one that is indexed"
    if count > MOST * len(probes) or len(probes) - count < 2:
        raise InputError(f"{told}; name photos that are not indexed, or none to hold some out")
    left = probes.take(np.flatnonzero(~indexed))
    return left, f"{told}; these are left out, for they would find themselves"
