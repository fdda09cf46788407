"""Things that belong together through others: union and find."""

from __future__ import annotations

from collections import defaultdict

__all__ = ["Groups"]


class Groups:
    """Things that belong together, directly or through others (union and find)."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def join(self, left: int, right: int) -> None:
        """Say that two belong together."""
        a, b = self._root(left), self._root(right)
        self._parent[max(a, b)] = min(a, b)

    def all(self) -> list[list[int]]:
        """The groups, each ascending, by their smallest."""
        groups = defaultdict[int, list[int]](list)
        for thing in sorted(self._parent):
            groups[self._root(thing)].append(thing)
        return [groups[root] for root in sorted(groups)]

    def _root(self, thing: int) -> int:
        self._parent.setdefault(thing, thing)
        while self._parent[thing] != thing:
            self._parent[thing] = self._parent[self._parent[thing]]
            thing = self._parent[thing]
        return thing
