"""Which class weights a rank holds, where they are stored, and how many take part in a step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from likewise.arguments import check_count, check_number, one_of
from likewise.errors import InputError
from likewise.losses.classes.shard import Shard

__all__ = ["Placement", "current_placement", "place_classes"]

Storage = Literal["memory", "mmap"]


@dataclass(frozen=True)
class Placement:
    """Which class weights this rank holds, where they are stored, and how many take part in a step.

    Args:
        shard: the classes that this rank owns.
        sample: the fraction of its classes that a step compares with: those of the batch, and
            negatives drawn at random (Partial FC, arXiv 2010.05222). The gradient of the class
            weights is then a sparse tensor over these rows. 1.0: all classes, with a sparse
            gradient. None: all classes, with a dense gradient.
        storage: ``"memory"``, or ``"mmap"``: in a memory-mapped file, for weights that do not fit
            in memory. Their gradient is always sparse, and negatives are drawn in contiguous
            blocks.
        folder: of memory-mapped files.
        seed: of the negatives, together with the step and the rank.

    Raises:
        InputError: a sample outside (0, 1], or memory-mapped weights without a folder.

    Example:
        >>> from likewise.losses import Placement
        >>> Placement(sample=0.1).sampled
        True
    """

    shard: Shard = field(default_factory=Shard)
    sample: float | None = None
    storage: Storage = "memory"
    folder: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sample is not None:
            check_number("sample", self.sample, above=0, most=1)
        one_of("storage", self.storage, ("memory", "mmap"))
        check_count("seed", self.seed, least=0)
        if self.storage == "mmap" and self.folder is None:
            raise InputError("folder: memory-mapped class weights need one; name a folder for them")

    @property
    def sampled(self) -> bool:
        """Whether the gradient of the class weights is sparse."""
        return self.sample is not None or self.storage == "mmap"


_CURRENT: ContextVar[Placement] = ContextVar("placement", default=Placement())  # noqa: B039 (frozen)


@contextmanager
def place_classes(placement: Placement) -> Iterator[None]:
    """Apply a placement to the heads created inside, as ``with torch.device(…)`` does to tensors.

    A rank allocates only the rows that it owns.

    Example:
        >>> from likewise.losses import CosFace, Placement, Shard, place_classes
        >>> with place_classes(Placement(shard=Shard(0, 4))):
        ...     head = CosFace(num_classes=10, embedding_dim=4)
        >>> head.num_classes, head.weight.shape
        (10, torch.Size([3, 4]))
    """
    token = _CURRENT.set(placement)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_placement() -> Placement:
    """The placement of the innermost :func:`place_classes`; by default all classes, in memory."""
    return _CURRENT.get()
