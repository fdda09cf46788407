"""faiss's HNSW, read: who is in which layer, and who is linked to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from likewise.search.engines.engine import Rows

__all__ = ["Layers", "layers_of"]


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
