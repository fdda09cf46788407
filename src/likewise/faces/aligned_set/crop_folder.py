"""A folder of crops that is brought up to date: only photos that are new or changed are aligned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from likewise.data.manifest import Manifest
from likewise.errors import LikewiseError, cannot_write
from likewise.faces.aligned_set.crop_names import numbered
from likewise.faces.aligned_set.journal import CropJournal
from likewise.faces.aligned_set.outcome import BROKEN, NONE, ONE, SEVERAL, Outcome, Taken
from likewise.faces.aligned_set.settings import AlignSettings
from likewise.faces.aligned_set.stamps import stamps
from likewise.faces.aligned_set.work import Aligned, align_many
from likewise.progress import progress

__all__ = ["LOCK", "update_crops"]

PARTIAL = ".likewise-crop.tmp"
LOCK = ".likewise-align.lock"


def update_crops(
    manifest: Manifest,
    folder: Path,
    file_of: Callable[[int, str], str],
    settings: AlignSettings,
    journal: CropJournal,
    *,
    processes: int = 1,
) -> tuple[list[Outcome], int]:
    """Align the photos that have no crop yet, or have changed.

    Args:
        manifest: the photos, each once.
        folder: of the crops; what it holds is told by the journal.
        file_of: gives the file of a crop, relative to the folder, from a row and its stamp.
        settings: how photos are aligned.
        journal: of the folder.
        processes: that align at the same time.

    Returns:
        What came of each photo, and how many of them were aligned now.

    Raises:
        MissingExtra: the extra ``faces`` is not installed.
        LikewiseError: the disk is full, or a process was ended.
    """
    names, now = manifest.names, list(stamps(manifest))
    due = [
        row
        for row, (name, stamp) in enumerate(zip(names, now, strict=True))
        if not _is_done(journal.done.get(name), stamp, file_of(row, stamp), folder)
    ]
    if due:
        owners = Counter(face.file for outcome in journal.done.values() for face in outcome.taken)
        photos = (manifest.photo(row) for row in due)
        label, total = "aligning", len(names)
        with journal, progress(label, total, "photos", done=total - len(due)) as advance:
            found = align_many(photos, settings, processes=processes)
            for row, aligned in zip(due, found, strict=True):
                before = journal.done.get(names[row])
                file = file_of(row, now[row])
                outcome = _written(aligned, names[row], now[row], file, folder)
                journal.add(outcome)
                _remove_old(before, outcome, owners, folder)
                advance(1)
    return [journal.done[name] for name in names], len(due)


def _is_done(outcome: Outcome | None, stamp: str, file: str, folder: Path) -> bool:
    """Whether the crops of a photo are there, of its present content and under its present name."""
    if outcome is None or outcome.stamp != stamp or stamp == "missing":
        return False
    if outcome.taken and outcome.taken[0].file != file:  # it has another identity now
        return False
    return all(_size_of(folder / face.file) == face.bytes for face in outcome.taken)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _written(aligned: Aligned, name: str, stamp: str, file: str, folder: Path) -> Outcome:
    """Write the crops of a photo; returns what came of it."""
    boxes = tuple(tuple(round(side, 1) for side in face.box) for face in aligned.faces)
    taken = []
    for number, (place, crop) in enumerate(zip(aligned.taken, aligned.crops, strict=True)):
        face, own = aligned.faces[place], numbered(file, number)
        _write(folder, own, crop)
        score, landmark_score = round(face.score, 4), round(face.landmark_score, 4)
        eyes, turn = round(face.eye_distance, 2), round(face.turn, 1)
        taken.append(Taken(place, own, len(crop), score, landmark_score, eyes, turn))
    status = ONE if len(boxes) == 1 else SEVERAL if boxes else NONE
    if aligned.broken:
        status = BROKEN
    return Outcome(name, stamp, status, aligned.reason, boxes, tuple(taken))  # type: ignore[arg-type]  # four numbers each


def _write(folder: Path, file: str, crop: bytes) -> None:
    """Write a crop under a temporary name, and rename it; it is flushed with the journal."""
    path, partial = folder / file, folder / PARTIAL
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(crop)
        partial.replace(path)
    except OSError as error:
        raise LikewiseError(cannot_write(path, error)) from None
    finally:
        with suppress(OSError):
            partial.unlink()


def _remove_old(before: Outcome | None, after: Outcome, owners: Counter[str], folder: Path) -> None:
    """Remove the crops that a photo had before it changed, and that no other photo has now.

    Args:
        before: what was known of the photo.
        after: what came of it now.
        owners: how many photos have each file; brought up to date.
        folder: of the crops.
    """
    old = [face.file for face in before.taken] if before is not None else []
    owners.update(face.file for face in after.taken)
    owners.subtract(old)
    for file in old:
        if owners[file] < 1:
            (folder / file).unlink(missing_ok=True)
