"""The photos of a run that can be read: all processes agree on them once, before the first step.

A photo that one process cannot read is left out on all, and a resumed run leaves out the photos
that were left out when it started.
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
from likewise.training.setup.resume import ResumedRun

__all__ = ["PhotosRead", "read_photos"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PhotosRead:
    """The photos of a run that can be read.

    Args:
        training: the photos to train on, the same on all processes.
        held_out: the photos for validation; None on all processes but rank 0.
        records: of all photos, to compare with when the run is resumed; None if they are stored
            already.
    """

    training: Readable
    held_out: Readable | None
    records: tuple[PhotoRecord, PhotoRecord] | None

    @property
    def bad(self) -> list[BadImage]:
        """The photos that were left out."""
        parts = (self.training, self.held_out)
        return [bad for part in parts if part is not None for bad in part.bad.values()]


def read_photos(
    training: Manifest,
    held_out: Manifest,
    preprocess: Preprocess,
    recipe: Recipe,
    processes: Processes,
    resumed: ResumedRun | None = None,
) -> PhotosRead:
    """Read the photos if they fit into memory, and leave out those that a process cannot read.

    Args:
        training: the photos to train on, the same on all processes.
        held_out: the photos for validation; only rank 0 reads them.
        preprocess: from photos to the network's input.
        recipe: of the run.
        processes: of the run.
        resumed: of a resumed run, which leaves out the photos that it left out at its start.

    Raises:
        InputError: the photos of a resumed run have changed; names them.
        LikewiseError: none of the photos to train on can be read.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
    """
    together = processes.together
    reading = _Reading(preprocess, recipe, processes)
    own = recipe.data.transform is not None
    records = None if resumed is None else resumed.records
    before, before_held = records or (None, None)
    found = together(lambda: reading.read(training, "reading", before, transformed=own))
    mine = {row: bad.reason for row, bad in found.bad.items()}
    elsewhere: dict[int, BadImage] = {}
    for rank, unreadable in enumerate(processes.all_gather_object(list(mine.items()))):
        for row, reason in unreadable:
            if row not in mine and row not in elsewhere:
                name = str(training.photo(row))
                elsewhere[row] = BadImage(name, f"{reason} (on process {rank})")
    found = found.without(elsewhere)
    if resumed is None and found.bad and not len(found.manifest):
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
        log.warning("none of the validation photos can be read, so nothing is validated")

    def compared() -> tuple[Readable, Readable | None]:
        if resumed is None or before is None or before_held is None:
            return found, held
        changes = before.changes(training, found, preprocess)
        if held is not None:
            changes += before_held.changes(held_out, held, preprocess)
        resumed.refuse(changes)
        return (
            _as_begun(training, found, before, warn=processes.is_rank_zero),
            None if held is None else _as_begun(held_out, held, before_held, warn=True),
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
    """Reads the photos of a run before its first step."""

    preprocess: Preprocess
    recipe: Recipe
    processes: Processes

    def read(
        self,
        manifest: Manifest,
        what: str,
        before: PhotoRecord | None,
        *,
        transformed: bool = False,
    ) -> Readable:
        data = self.recipe.data
        # Each process of a machine keeps all photos: any may be in its share of a batch.
        keep = data.keep_mib * 2**20 // self.processes.local_count
        if before is not None and not before.tried:
            keep = 0  # the run has read its photos on demand, and continues so
        if transformed:
            keep = 0  # a transform of the user takes the photos at their full size
        return keep_readable(
            manifest,
            self.preprocess,
            on_bad_image=data.on_bad_image,
            keep_bytes=keep,
            what=what,
        )


def _as_begun(manifest: Manifest, found: Readable, before: PhotoRecord, *, warn: bool) -> Readable:
    """``found`` without the photos that were left out when the run started."""
    for line in before.readable_again(found) if warn else ():
        log.warning("%s; left out, as when the run began", line)
    left_out = {
        row: BadImage(str(manifest.photo(row)), "could not be read when the run began")
        for row in before.bad.tolist()
    }
    return found.without(left_out)
