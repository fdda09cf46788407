"""Before each step all ranks exchange a few numbers, so that they take the same decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from likewise.data.photos import Batch
from likewise.data.preprocess import Preprocess
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe
from likewise.training.stopping import StopRequest

__all__ = ["StepSync", "sync_step"]


@dataclass(frozen=True)
class StepSync:
    """The decisions for one step, the same on all ranks, except ``offset``.

    Args:
        shares: the photos of the rank with most of them, and of the rank with fewest.
        photos: of the whole batch.
        offset: how many photos of the batch belong to lower ranks.
        enough: whether the batch is large enough: batch normalisation needs two photos.
        stop: whether any rank was asked to stop.
        save: whether a checkpoint is due.
    """

    shares: tuple[int, int]
    photos: int
    offset: int
    enough: bool
    stop: bool
    save: bool


def sync_step(
    processes: Processes,
    batch: Batch,
    preprocess: Preprocess,
    recipe: Recipe,
    stop: StopRequest,
    due: Callable[[], bool],
) -> StepSync:
    """All-gather the sizes of the shares and the requests; an empty share gets its shape.

    A single process checks for a stop and a checkpoint after the step instead.
    """
    photos = len(batch.labels)
    if processes.count == 1:
        return StepSync((photos, photos), photos, 0, photos > 1, False, False)
    if photos == 0:  # other ranks may have some: this one takes part with none
        empty = (0, preprocess.channels, preprocess.height, preprocess.width)
        batch.pixels = batch.pixels.new_empty(empty)
    rows = processes.all_gather([photos, stop.signal is not None, due()])
    counts = [int(row[0]) for row in rows]
    # Batch normalisation needs two photos in each share or, if synchronised, in the batch.
    least = sum(counts) if recipe.training.sync_norm else min(counts)
    return StepSync(
        shares=(max(counts), min(counts)),
        photos=sum(counts),
        offset=sum(counts[: processes.rank]),
        enough=least > 1,
        stop=any(row[1] for row in rows),
        save=any(row[2] for row in rows),
    )
