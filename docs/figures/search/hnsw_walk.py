"""A search through HNSW, step by step: the same steps that faiss takes, kept to be drawn."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from docs.figures.search.hnsw_layers import Layers
from likewise.search.engines.engine import Rows, Vectors

__all__ = ["Walk", "walk_layers"]


@dataclass(frozen=True)
class Walk:
    """What a search did.

    Args:
        paths: the rows walked over in each layer, the bottom layer first; where a layer is left,
            the layer below is entered.
        compared: the rows whose distance was computed, each once.
        comparisons: how many distances were computed; a row may have been met in two layers.
        kept: the best rows of the bottom layer, at most ``ef``, nearest first.
        tree: in the bottom layer, from which row each row was reached first.
    """

    paths: tuple[tuple[int, ...], ...]
    compared: Rows
    comparisons: int
    kept: Rows
    tree: Mapping[int, int]


def walk_layers(layers: Layers, distances: Vectors, ef: int) -> Walk:
    """Walk down from the entry: greedily in the upper layers, with ``ef`` candidates in the last.

    Args:
        layers: the graph.
        distances: from the query to every row [N].
        ef: candidates kept in the bottom layer.

    Source: Malkov, Yashunin, Efficient and robust approximate nearest neighbor search using
    Hierarchical Navigable Small World graphs, 2018, algorithms 2 and 5.
    """
    here = layers.entry
    met = [here]
    paths: list[tuple[int, ...]] = []
    for layer in range(len(layers.links) - 1, 0, -1):
        path, seen = _descend(layers.links[layer], distances, here)
        paths.append(tuple(path))
        met += seen
        here = path[-1]
    expanded, kept, tree = _spread(layers.links[0], distances, here, ef)
    paths.append(tuple(expanded))
    met += list(tree)
    return Walk(tuple(reversed(paths)), np.unique(met), len(met), np.array(kept, np.int64), tree)


def _descend(
    links: Mapping[int, Sequence[int]], distances: Vectors, start: int
) -> tuple[list[int], list[int]]:
    """Go to the nearest neighbour while it is nearer; the path, and everyone compared."""
    path, met = [start], []
    while True:
        around = links[path[-1]]
        met += list(around)
        nearest = min([path[-1], *around], key=lambda row: distances[row])
        if distances[nearest] >= distances[path[-1]]:
            return path, met
        path.append(nearest)


def _spread(
    links: Mapping[int, Sequence[int]], distances: Vectors, start: int, ef: int
) -> tuple[list[int], list[int], dict[int, int]]:
    """Expand the nearest candidate until none of the ``ef`` best is left to be expanded."""
    waiting = [(float(distances[start]), start)]
    best = [(-float(distances[start]), start)]
    tree: dict[int, int] = {}
    seen, expanded = {start}, []
    while waiting:
        near, row = heapq.heappop(waiting)
        if len(best) == ef and near > -best[0][0]:
            break
        expanded.append(row)
        for other in links[row]:
            if other in seen:
                continue
            seen.add(other)
            tree[other] = row
            away = float(distances[other])
            if len(best) < ef or away < -best[0][0]:
                heapq.heappush(waiting, (away, other))
                heapq.heappush(best, (-away, other))
                if len(best) > ef:
                    heapq.heappop(best)
    kept = [row for _, row in sorted((-away, row) for away, row in best)]
    return expanded, kept, tree
