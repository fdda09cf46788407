"""How far apart, or how alike, two embeddings are: one interface, on torch and NumPy.

Importing this package loads no torch; the first distance computed does.
"""

from __future__ import annotations

from likewise.distances.distance import Distance
from likewise.distances.mahalanobis import Mahalanobis
from likewise.distances.minkowski import Minkowski
from likewise.distances.names import parse_distance
from likewise.distances.similarity import Cosine, Dot

__all__ = ["Cosine", "Distance", "Dot", "Mahalanobis", "Minkowski", "parse_distance"]
