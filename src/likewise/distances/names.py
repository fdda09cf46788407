"""Distances by name, for recipes and the command line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from likewise.arguments import one_of
from likewise.distances.distance import Distance
from likewise.distances.mahalanobis import Mahalanobis
from likewise.distances.minkowski import Minkowski
from likewise.distances.similarity import Cosine, Dot
from likewise.errors import InputError

__all__ = ["parse_distance"]

PLAIN: dict[str, Distance] = {
    "chebyshev": Minkowski(math.inf),
    "cosine": Cosine(),
    "dot": Dot(),
    "euclidean": Minkowski(2.0),
    "manhattan": Minkowski(1.0),
}
WITH_ARGUMENT = {"minkowski": "minkowski:p", "mahalanobis": "mahalanobis:FILE.npy"}


def parse_distance(text: str) -> Distance:
    """Create the distance of this name.

    Args:
        text: ``cosine``, ``euclidean``, ``manhattan``, ``chebyshev``, ``dot``, ``minkowski:p``
            with p >= 1, or ``mahalanobis:FILE.npy`` with a file that holds the matrix M [D, D].

    Raises:
        InputError: an unknown name (the nearest is suggested), a p below 1, or a file without a
            positive semi-definite matrix.

    Example:
        >>> from likewise.distances import parse_distance
        >>> parse_distance("minkowski:3")
        Minkowski(p=3.0)
    """
    kind, colon, argument = text.partition(":")
    if kind == "minkowski" and colon:
        return Minkowski(_order(argument))
    if kind == "mahalanobis" and colon:
        return Mahalanobis(matrix=_matrix(argument))
    if text in WITH_ARGUMENT:
        raise InputError(f"distance: {text!r} needs an argument; write {WITH_ARGUMENT[text]}")
    return PLAIN[one_of("distance", text, [*PLAIN, *WITH_ARGUMENT.values()])]


def _order(argument: str) -> float:
    try:
        return float(argument)
    except ValueError:
        raise InputError(
            f"distance: 'minkowski:{argument}'; p must be a number of at least 1, as in minkowski:3"
        ) from None


def _matrix(argument: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    path = Path(argument)
    if not path.is_file():
        raise InputError(f"distance: 'mahalanobis:{argument}': no such file")
    try:
        loaded = np.load(path, allow_pickle=False)
        return np.asarray(loaded, dtype=np.float64)
    except (ValueError, TypeError, EOFError, OSError) as error:
        raise InputError(f"distance: 'mahalanobis:{argument}': not a matrix: {error}") from None
