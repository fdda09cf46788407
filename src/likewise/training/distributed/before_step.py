"""What all processes agree on before each step, in one exchange of a few numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from likewise.data.photos import Batch
from likewise.data.preprocess import Preprocess
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe
from likewise.training.stopping import StopRequest

__all__ = ["StepWord", "before_step"]


@dataclass(frozen=True)
class StepWord:
    """What was agreed on.

    Args:
        shares: the photos of the largest and of the smallest share of the batch.
        photos: of the batch, on all processes.
        before: of them, those of the processes before this one.
        enough: whether they make a step: normalisation needs two.
        stop: whether any process was asked to stop.
        save: whether it is time for a checkpoint.
    """

    shares: tuple[int, int]
    photos: int
    before: int
    enough: bool
    stop: bool
    save: bool


def before_step(
    processes: Processes,
    batch: Batch,
    preprocess: Preprocess,
    recipe: Recipe,
    stop: StopRequest,
    due: Callable[[], bool],
) -> StepWord:
    """Let every process know what the others have, so that all do the same.

    Alone, a stop and a checkpoint are looked at after the step instead.
    """
    photos = len(batch.labels)
    if processes.count == 1:
        return StepWord((photos, photos), photos, 0, photos > 1, False, False)
    if photos == 0:  # the others may have some: this one takes part with none
        empty = (0, preprocess.channels, preprocess.height, preprocess.width)
        batch.pixels = batch.pixels.new_empty(empty)
    told = processes.table([photos, stop.signal is not None, due()])
    counts = [int(row[0]) for row in told]
    # Batch normalisation of a share by itself needs two; of all together it is the sum that counts.
    least = sum(counts) if recipe.training.sync_norm else min(counts)
    return StepWord(
        shares=(max(counts), min(counts)),
        photos=sum(counts),
        before=sum(counts[: processes.rank]),
        enough=least > 1,
        stop=any(row[1] for row in told),
        save=any(row[2] for row in told),
    )
