"""What a tuned index must reach, and the limits on its cost."""

from __future__ import annotations

from dataclasses import dataclass

from likewise.arguments import check_count, check_number
from likewise.errors import InputError

__all__ = ["Limits", "Target"]


@dataclass(frozen=True)
class Target:
    """What the index must reach.

    Args:
        recall: recall@k, in (0, 1); None to ask for the recall of mates alone.
        mates: the recall of mates above the threshold, in (0, 1); needs labels.
        k: how many neighbors a search asks for.
        batch: how many queries come at a time.
        latency: seconds a query that are fast enough: exact search is taken if it needs no more.
        threshold: the score from which on two photos count as the same person; by default the one
            that a thousandth of the impostor pairs reach.

    Raises:
        InputError: no recall is asked for, or a number is out of bounds.
    """

    recall: float | None = 0.95
    mates: float | None = None
    k: int = 10
    batch: int = 1
    latency: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.recall is None and self.mates is None:
            raise InputError("recall, mates: give at least one of them")
        for name, value in self.recalls.items():
            if value == 1:
                raise InputError(f"{name}: 1; must be below 1; for 1, build an exact index")
            check_number(name, value, above=0, below=1)
        check_count("k", self.k)
        check_count("batch", self.batch)
        if self.latency is not None:
            check_number("latency", self.latency, above=0)

    @property
    def recalls(self) -> dict[str, float]:
        """The recalls asked for, by name: ``recall``, ``mates`` or both."""
        asked = {"recall": self.recall, "mates": self.mates}
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True)
class Limits:
    """The limits on the cost of an index.

    Args:
        memory: resident bytes after loading; vectors that searches need not read stay on disk.
        build: seconds to build it.
        items_bytes: the bytes of memory that the items take, for any family.

    Raises:
        InputError: a limit is not above 0.
    """

    memory: int | None = None
    build: float | None = None
    items_bytes: int = 0

    def __post_init__(self) -> None:
        for name, value in (("max_memory", self.memory), ("max_build", self.build)):
            if value is not None:
                check_number(name, value, above=0)
