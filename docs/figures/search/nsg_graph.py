"""The NSG graph of faiss, and a search in it, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from likewise.search.engines.engine import Rows, Vectors

__all__ = ["NavigatedWalk", "navigation_links", "walk_navigation"]

SEED = 0x1234  # of the random numbers that faiss uses for the first candidates of every search


@dataclass(frozen=True)
class NavigatedWalk:
    """The steps of a search.

    Args:
        expanded: the rows whose neighbors were compared, in order.
        compared: the rows whose distance was computed.
        kept: the pool at the end, nearest first.
        tree: the row from which each row was reached first; random rows of the first pool have
            none.
    """

    expanded: tuple[int, ...]
    compared: Rows
    kept: Rows
    tree: Mapping[int, int]


def navigation_links(index: Any) -> dict[int, list[int]]:
    """The neighbors of each row, in the order of the index."""
    graph = index.nsg.get_final_graph()
    places = faiss.rev_swig_ptr(graph.data, graph.N * graph.K).reshape(graph.N, graph.K)
    return {row: [int(end) for end in ends if end >= 0] for row, ends in enumerate(places)}


def walk_navigation(
    links: Mapping[int, list[int]], entry: int, distances: Vectors, pool: int
) -> NavigatedWalk:
    """Search from the entry point with a pool of candidates, as faiss does.

    The pool starts with the neighbors of the entry point, and is filled with fixed random rows.

    Args:
        links: the graph.
        entry: the row where every search starts.
        distances: from the query to every row [N].
        pool: candidates kept (``search_L``).

    Source: Fu, Xiang, Wang, Cai, Fast approximate nearest neighbor search with the navigating
    spreading-out graph, 2019, algorithm 1.
    """
    first = links[entry][:pool]
    tree = dict.fromkeys(first, entry)
    seen = set(first)
    generator = faiss.RandomGenerator(SEED)
    while len(first) < min(pool, len(distances)):
        row = int(generator.rand_int(len(distances)))
        if row not in seen:
            seen.add(row)
            first.append(row)
    best = sorted(first, key=lambda row: (distances[row], row))
    expanded: list[int] = []
    place = 0
    while place < len(best):
        row = best[place]
        if row in expanded:
            place += 1
            continue
        expanded.append(row)
        for other in links[row]:
            if other in seen:
                continue
            seen.add(other)
            tree[other] = row
            if len(best) < pool or distances[other] < distances[best[-1]]:
                best = sorted([*best, other], key=lambda row: (distances[row], row))[:pool]
        place = 0
    return NavigatedWalk(
        tuple(expanded), np.array(sorted(seen), np.int64), np.array(best, np.int64), tree
    )
