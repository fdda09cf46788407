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
        links: for each layer, a mapping from a row to its neighbors, in the order of the index.
        entry: the row where every search starts.
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

    The neighbors of a row are in ``neighbors`` from ``offsets[row]`` on, layer by layer; -1 marks
    unused places. ``levels`` counts the layers of a row.
    """
    graph = index.hnsw
    top = faiss.vector_to_array(graph.levels).astype(np.int64) - 1
    offsets = faiss.vector_to_array(graph.offsets).astype(np.int64)
    neighbors = faiss.vector_to_array(graph.neighbors)
    ends = faiss.vector_to_array(graph.cum_nneighbor_per_level).astype(np.int64)
    links: list[dict[int, list[int]]] = []
    for layer in range(graph.max_level + 1):
        links.append({})
        for row in np.flatnonzero(top >= layer):
            held = neighbors[offsets[row] + ends[layer] : offsets[row] + ends[layer + 1]]
            links[-1][int(row)] = [int(other) for other in held if other >= 0]
    return Layers(top, tuple(links), int(graph.entry_point))


@dataclass(frozen=True)
class Walk:
    """The steps of a search.

    Args:
        paths: the rows visited in each layer, the bottom layer first; the last row of a layer is
            the first of the layer below.
        compared: the rows whose distance was computed, each once.
        comparisons: how many distances were computed; a row may be compared in two layers.
        kept: the best rows of the bottom layer, at most ``ef``, nearest first.
        tree: in the bottom layer, the row from which each row was reached first.
    """

    paths: tuple[tuple[int, ...], ...]
    compared: Rows
    comparisons: int
    kept: Rows
    tree: Mapping[int, int]


def walk_layers(layers: Layers, distances: Vectors, ef: int) -> Walk:
    """Search from the entry point: greedily in upper layers, with ``ef`` candidates in the last.

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
    """Move to the nearest neighbor while it is nearer; the path, and all compared rows."""
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
    """Expand the nearest candidate until all of the ``ef`` best are expanded."""
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
