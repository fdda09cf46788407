"""Annoy's own file, read: the trees as they were built, and the walk of a search."""

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
    """A leaf with its rows, or a cut with what lies on either side.

    Args:
        place: in the file.
        rows: of a leaf, int64; None of a cut.
        normal: of the cut, float32 [D].
        offset: a point x lies on the second side where ``normal·x + offset`` is positive.
        sides: the two nodes.
    """

    place: int
    rows: Rows | None = None
    normal: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    offset: float = 0.0
    sides: tuple[Node, ...] = ()

    def margin(self, point: NDArray[np.float32]) -> float:
        """How far a point lies on the second side of the cut."""
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
"""The cuts above a node, from the root on, each with the side that it lies on."""


def read_forest(path: Path, count: int, dimension: int) -> Forest:
    """Read a file that Annoy saved for the Euclidean distance.

    The file is an array of equal nodes, as annoylib.h lays them out: the number of items below
    (int32), the cut's offset (float32), two children (int32), the cut's normal (float32 [D]). A
    node with few items below keeps their rows in place of children and normal. The first ``count``
    nodes are the items; copies of the roots are the last.

    Raises:
        InputError: the file is not that long, or a node points nowhere.
    """
    size = 16 + 4 * dimension
    content = path.read_bytes()
    if len(content) % size or len(content) // size <= count:
        raise InputError(f"{path}: no Annoy file of {count} vectors of {dimension} numbers")
    number = len(content) // size
    words = np.frombuffer(content, np.int32).reshape(number, size // 4)
    reals = np.frombuffer(content, np.float32).reshape(number, size // 4)
    held = size // 4 - 2  # rows that fit in place of children and normal

    def node_at(place: int, under: int) -> Node:
        if not 0 <= place < under:  # what lies below was written before
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
    # The first root may be there twice: where it was built, and among the copies.
    if len(roots) > 1 and (words[roots[0], 2:4] == words[roots[-1], 2:4]).all():
        roots.pop()
    return Forest(tuple(node_at(root, number) for root in roots))


def walk_forest(forest: Forest, query: NDArray[np.float32], wanted: int) -> list[tuple[Node, Cuts]]:
    """The leaves that a search opens, in their order, each with the cuts and sides above it.

    One queue serves all trees. What comes next is what the query would have to move least for:
    the smallest margin on the way there decides. The search stops at ``wanted`` rows, those that
    come from two trees counted twice.
    """
    # Of equal margins Annoy takes the later place in its file first.
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
