"""What a tuned index must reach, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass

from likewise.errors import InputError

__all__ = ["Aim", "Limits", "require_seed"]


@dataclass(frozen=True)
class Aim:
    """What the index must reach.

    Args:
        recall: of the k nearest, in (0, 1); None to ask for mates alone.
        mates: of the true mates above the threshold, in (0, 1); needs labels.
        k: how many neighbours a search asks for.
        batch: how many queries come at one time.
        latency: seconds a query that are fast enough: if exact search takes no more, it is taken.
        threshold: the score from which on two are called the same; the one that a thousandth of
            the impostors reach if None.

    Raises:
        InputError: nothing is asked for, or a number is out of its bounds.
    """

    recall: float | None = 0.95
    mates: float | None = None
    k: int = 10
    batch: int = 1
    latency: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.recall is None and self.mates is None:
            raise InputError("recall, mates: name at least one to be reached")
        for name, value in (("recall", self.recall), ("mates", self.mates)):
            if value is not None and not 0 < value < 1:
                hint = "; for 1, take the exact index" if value == 1 else ""
                raise InputError(f"{name}: must be above 0 and below 1; got {value:g}{hint}")
        for name, count in (("k", self.k), ("batch", self.batch)):
            if count < 1:
                raise InputError(f"{name}: must be at least 1; got {count}")
        if self.latency is not None and not self.latency > 0:
            raise InputError(f"latency: must be above 0 seconds; got {self.latency:g}")

    @property
    def targets(self) -> dict[str, float]:
        """What is asked for: ``recall``, ``mates`` or both, with the share to be found."""
        asked = {"recall": self.recall, "mates": self.mates}
        return {name: value for name, value in asked.items() if value is not None}


def require_seed(seed: int) -> None:
    """Refuse a seed that nothing can be drawn from.

    Raises:
        InputError: it is below 0.
    """
    if seed < 0:
        raise InputError(f"seed: must be 0 or more; got {seed}")


@dataclass(frozen=True)
class Limits:
    """What an index may cost.

    Args:
        memory: bytes resident once it is loaded, vectors that searches do not read through on disk.
        build: seconds to build it.
        items_bytes: how many of the bytes the items will take, whatever the family.

    Raises:
        InputError: a limit that is not above 0.
    """

    memory: int | None = None
    build: float | None = None
    items_bytes: int = 0

    def __post_init__(self) -> None:
        for name, value in (("max_memory", self.memory), ("max_build", self.build)):
            if value is not None and not value > 0:
                raise InputError(f"{name}: must be above 0; got {value:g}")
