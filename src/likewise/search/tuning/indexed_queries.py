"""Queries that are indexed as well: each finds itself, and shows a better recall than there is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError
from likewise.search.engine import Vectors
from likewise.search.tuning.probes import Probes

__all__ = ["without_indexed"]

MOST = 0.5  # of the queries: where more are indexed, the wrong file was named
BLOCK = 65_536  # rows at one time


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
    indexed = np.isin(_hashes(probes.queries), _hashes(vectors))
    count = int(indexed.sum())
    if count == 0:
        return probes, ""
    told = f"queries: {count:,} of {len(probes):,} have the very vector of one that is indexed"
    if count > MOST * len(probes) or len(probes) - count < 2:
        raise InputError(f"{told}; name photos that are not indexed, or none to hold some out")
    left = probes.take(np.flatnonzero(~indexed))
    return left, f"{told}; these are left out, for they would find themselves"


def _hashes(rows: Vectors) -> NDArray[np.uint64]:
    """64 bits of each row's bits, [N]: odd random multipliers, so that different rows differ."""
    factors = np.random.default_rng(0).integers(0, 2**63, rows.shape[1], np.uint64) * 2 + 1
    parts = [
        np.ascontiguousarray(rows[start : start + BLOCK]).view(np.uint32).astype(np.uint64)
        @ factors
        for start in range(0, len(rows), BLOCK)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)
