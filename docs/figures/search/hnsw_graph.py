"""The HNSW graph of faiss: its layers and links, and a search in it, step by step."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from likewise.search.engines.engine import Rows, Vectors

__all__ = ["Layers", "Walk", "layers_of", "walk_layers"]


@dataclass(frozen=True)
class Layers:
    """The graph of an index.

    Args:
        top: for each row the highest layer that it is in; layer 0 holds all.
        links: one mapping a layer, from a row to its neighbours there, in the index's order.
        entry: the row where every search begins.
    """

    top: Rows
    links: tuple[dict[int, list[int]], ...]
    entry: int

    def members(self, layer: int) -> Rows:
        """The rows in a layer."""
        return np.flatnonzero(self.top >= layer)

    def edges(self, layer: int) -> Rows:
        """The links of a layer, each pair of rows once [E,2]."""
        pairs = {
            (min(here, there), max(here, there))
            for here, ends in self.links[layer].items()
            for there in ends
        }
        return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def layers_of(index: Any) -> Layers:
    """Read the graph of a faiss HNSW index.

    A row's neighbours stand in ``neighbors`` from ``offsets[row]`` on, layer after layer; -1 marks
    places that are not taken. ``levels`` counts the layers that a row is in.
    """
    graph = index.hnsw
    top = faiss.vector_to_array(graph.levels).astype(np.int64) - 1
    offsets = faiss.vector_to_array(graph.offsets).astype(np.int64)
    neighbours = faiss.vector_to_array(graph.neighbors)
    ends = faiss.vector_to_array(graph.cum_nneighbor_per_level).astype(np.int64)
    links: list[dict[int, list[int]]] = []
    for layer in range(graph.max_level + 1):
        links.append({})
        for row in np.flatnonzero(top >= layer):
            held = neighbours[offsets[row] + ends[layer] : offsets[row] + ends[layer + 1]]
            links[-1][int(row)] = [int(other) for other in held if other >= 0]
    return Layers(top, tuple(links), int(graph.entry_point))


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
