"""Read Annoy's file: its trees, and a search in them, step by step."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError
from likewise.search.engines.engine import Rows

__all__ = ["Cuts", "Forest", "Node", "read_forest", "rows_of", "walk_forest"]


@dataclass(frozen=True)
class Node:
    """A leaf with its rows, or a split with its two children.

    Args:
        place: its number in the file.
        rows: of a leaf, int64; None for a split.
        normal: of the split, float32 [D].
        offset: a point x is on the second side if ``normal·x + offset`` is positive.
        sides: the two children.
    """

    place: int
    rows: Rows | None = None
    normal: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    offset: float = 0.0
    sides: tuple[Node, ...] = ()

    def margin(self, point: NDArray[np.float32]) -> float:
        """The distance of a point from the split, positive on the second side."""
        return float(self.normal @ point + self.offset)

    def leaves(self) -> list[Rows]:
        """The rows of each leaf below."""
        if self.rows is not None:
            return [self.rows]
        return [leaf for side in self.sides for leaf in side.leaves()]


@dataclass(frozen=True)
class Forest:
    """The trees of an index, each by its root."""

    roots: tuple[Node, ...]


Cuts = tuple[tuple[Node, int], ...]
"""The splits above a node, from the root down, each with the side of the node."""


def read_forest(path: Path, count: int, dimension: int) -> Forest:
    """Read a file that Annoy saved for the Euclidean distance.

    The file is an array of equal nodes, as annoylib.h lays them out: the number of items below
    (int32), the split's offset (float32), two children (int32), the split's normal (float32 [D]). A
    node with few items below keeps their rows in place of children and normal. The first ``count``
    nodes are the items; copies of the roots are the last.

    Raises:
        InputError: the file has another size, or a node has an invalid child.
    """
    size = 16 + 4 * dimension
    content = path.read_bytes()
    if len(content) % size or len(content) // size <= count:
        raise InputError(f"{path}: no Annoy file of {count} vectors of {dimension} numbers")
    number = len(content) // size
    words = np.frombuffer(content, np.int32).reshape(number, size // 4)
    reals = np.frombuffer(content, np.float32).reshape(number, size // 4)
    held = size // 4 - 2  # rows that fit in the place of children and normal

    def node_at(place: int, under: int) -> Node:
        if not 0 <= place < under:  # children are written before their parent
            raise InputError(f"{path}: damaged; node {under} points to {place}")
        below = int(words[place, 0])
        if place < count:
            return Node(place, np.array([place], np.int64))
        if below <= held:
            return Node(place, words[place, 2 : 2 + below].astype(np.int64))
        first, second = (node_at(int(child), place) for child in words[place, 2:4])
        return Node(place, None, reals[place, 4:], float(reals[place, 1]), (first, second))

    roots = []
    last = number
    while last > count and words[last - 1, 0] == count:
        last -= 1
        roots.append(last)
    # The first root may occur twice: where it was built, and among the copies.
    if len(roots) > 1 and (words[roots[0], 2:4] == words[roots[-1], 2:4]).all():
        roots.pop()
    return Forest(tuple(node_at(root, number) for root in roots))


def walk_forest(forest: Forest, query: NDArray[np.float32], wanted: int) -> list[tuple[Node, Cuts]]:
    """The leaves that a search opens, in order, each with the splits and sides above it.

    One priority queue serves all trees, ordered by the smallest margin on the path to a node. The
    search stops at ``wanted`` rows; a row found in two trees counts twice.
    """
    # Of equal margins, Annoy takes the later node in its file first.
    queue: list[tuple[float, int, Node, Cuts]] = [
        (-math.inf, -root.place, root, ()) for root in forest.roots
    ]
    heapq.heapify(queue)
    opened: list[tuple[Node, Cuts]] = []
    gathered = 0
    while queue and gathered < wanted:
        near, _, node, above = heapq.heappop(queue)
        if node.rows is not None:
            opened.append((node, above))
            gathered += len(node.rows)
            continue
        margin = node.margin(query)
        for side, child in enumerate(node.sides):
            reach = min(-near, margin if side else -margin)
            heapq.heappush(queue, (-reach, -child.place, child, (*above, (node, side))))
    return opened


def rows_of(opened: list[tuple[Node, Cuts]]) -> Rows:
    """The rows of the leaves opened, each once."""
    parts = [node.rows for node, _ in opened if node.rows is not None]
    return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
