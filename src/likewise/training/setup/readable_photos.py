"""Which photos of a run can be read: decided once, by all its processes together.

What one of them cannot read, none of them trains on, and a run that goes on keeps to what was
decided when it began.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.photos import Readable, keep_readable
from likewise.data.preprocess import Preprocess
from likewise.errors import LikewiseError
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.photo_record import PhotoRecord
from likewise.training.setup.run_folder import Begun
from likewise.training.validation import Validation

__all__ = ["PhotosRead", "read_photos"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PhotosRead:
    """The photos of a run, as far as they can be read.

    Args:
        training: to train on, the same on all processes.
        held_out: to measure on, on the first process, which alone does so.
        records: what both were before any was left out, for the runs that go on with this one.
    """

    training: Readable
    held_out: Readable | None
    records: tuple[PhotoRecord, PhotoRecord] | None

    @property
    def bad(self) -> list[BadImage]:
        """The photos that were left out."""
        parts = (self.training, self.held_out)
        return [bad for part in parts if part is not None for bad in part.bad.values()]

    def validation(self, seed: int) -> Validation | None:
        """What measures, on the process that does; None without a photo held out."""
        held_out = self.held_out
        if held_out is None or not len(held_out.manifest):
            return None
        return Validation(held_out.manifest, held_out.pixels, seed)


def read_photos(
    training: Manifest,
    held_out: Manifest,
    preprocess: Preprocess,
    recipe: Recipe,
    processes: Processes,
    begun: Begun | None = None,
) -> PhotosRead:
    """Read the photos that fit into memory, and leave out what any process cannot read.

    Args:
        training: the photos to train on, every process with the same ones.
        held_out: those to measure on; the first process alone reads them.
        preprocess: from photos to the network's input.
        recipe: of the run.
        processes: of the run.
        begun: of a run that goes on: it leaves out what it left out when it began.

    Raises:
        InputError: the photos of a run that goes on are not what they were; names them.
        LikewiseError: none of the photos to train on can be read.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
    """
    together = processes.together
    reading = _Reading(preprocess, recipe, processes)
    records = None if begun is None else begun.records
    before, before_held = records or (None, None)
    found = together(lambda: reading.read(training, "reading", before))
    mine = {row: bad.reason for row, bad in found.bad.items()}
    elsewhere: dict[int, BadImage] = {}
    for rank, told in enumerate(processes.all_gather_object(list(mine.items()))):
        for row, reason in told:
            if row not in mine and row not in elsewhere:
                name = str(training.photo(row))
                elsewhere[row] = BadImage(name, f"{reason} (on process {rank})")
    found = found.without(elsewhere)
    if begun is None and found.bad and not len(found.manifest):
        first = found.bad[min(found.bad)]
        raise LikewiseError(
            f"{training.root}: none of the {len(training):,} photos can be read; the first: {first}"
        )
    held = together(
        lambda: (
            reading.read(held_out, "reading validation", before_held)
            if processes.is_rank_zero
            else None
        )
    )

    if held is not None and held.bad and not len(held.manifest):
        log.warning("none of the photos held out can be read, so nothing is validated")

    def compared() -> tuple[Readable, Readable | None]:
        if begun is None or before is None or before_held is None:
            return found, held
        changes = before.changes(training, found, preprocess)
        if held is not None:
            changes += before_held.changes(held_out, held, preprocess)
        begun.refuse(changes)
        return (
            _as_begun(training, found, before, tell=processes.is_rank_zero),
            None if held is None else _as_begun(held_out, held, before_held, tell=True),
        )

    def recorded() -> tuple[PhotoRecord, PhotoRecord] | None:
        if records is not None or held is None:
            return None
        return (
            PhotoRecord.of(training, found, preprocess),
            PhotoRecord.of(held_out, held, preprocess),
        )

    kept, kept_held = together(compared)
    return PhotosRead(kept, kept_held, together(recorded))


@dataclass(frozen=True)
class _Reading:
    """How the photos of a run are read before its first step."""

    preprocess: Preprocess
    recipe: Recipe
    processes: Processes

    def read(self, manifest: Manifest, what: str, before: PhotoRecord | None) -> Readable:
        data = self.recipe.data
        # Each process of a machine keeps all photos, as any may be in its share of a batch.
        keep = data.keep_mib * 2**20 // self.processes.local_count
        if before is not None and not before.tried:
            keep = 0  # what the run reads as it needs it, it goes on reading so
        return keep_readable(
            manifest,
            self.preprocess,
            on_bad_image=data.on_bad_image,
            keep_bytes=keep,
            what=what,
        )


def _as_begun(manifest: Manifest, found: Readable, before: PhotoRecord, *, tell: bool) -> Readable:
    """Without the photos that were left out when the run began, whether they can be read or not."""
    for line in before.back(found) if tell else ():
        log.warning("%s; left out of this run, as when it began", line)
    left_out = {
        row: BadImage(str(manifest.photo(row)), "could not be read when the run began")
        for row in before.bad.tolist()
    }
    return found.without(left_out)
