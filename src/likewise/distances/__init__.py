"""Distances and similarities between embeddings, in torch and NumPy, with one interface.

Importing this package does not import torch; computing the first distance does.
"""

from __future__ import annotations

from likewise.distances.distance import Distance
from likewise.distances.mahalanobis import Mahalanobis
from likewise.distances.minkowski import Minkowski
from likewise.distances.names import parse_distance
from likewise.distances.similarity import Cosine, Dot

__all__ = ["Cosine", "Distance", "Dot", "Mahalanobis", "Minkowski", "parse_distance"]
