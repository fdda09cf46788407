"""``likewise data align``: the photos of any source, aligned, as a folder of identities."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from likewise.data.alignment import ALIGNMENT_FILE, write_alignment
from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.data.missing_photos import require_some_photo
from likewise.data.repeats import without_repeats
from likewise.data.writers.folder import LIST
from likewise.errors import InputError
from likewise.faces.aligned_set.crop_folder import LOCK, update_crops
from likewise.faces.aligned_set.crop_names import crop_names
from likewise.faces.aligned_set.journal import JOURNAL, CropJournal
from likewise.faces.aligned_set.page import write_page
from likewise.faces.aligned_set.report import AlignmentReport
from likewise.faces.aligned_set.settings import AlignSettings
from likewise.locks import hold_lock
from likewise.storage import new_file, require_writable

__all__ = ["align_photos"]

TABLE = "alignment.csv"
COLUMNS = (
    "photo", "status", "reason", "faces", "file", "x", "y", "width", "height", "score",
    "landmark_score", "eye_distance", "turn",
)  # fmt: skip


def align_photos(
    source: str | Path | Manifest,
    out: str | Path,
    settings: AlignSettings | None = None,
    *,
    root: str | Path | None = None,
    resume: bool = False,
    processes: int = 1,
) -> AlignmentReport:
    """Find the face in every photo, and write it aligned into a folder of identities.

    ``out`` receives the crops under the names of their photos, ``alignment.json`` (what they are
    aligned to), ``alignment.csv`` (a row for each photo and face) and ``alignment.html`` (the
    photos with several faces, with none, and the broken ones). Nothing is written elsewhere. After
    a crash at any moment ``resume`` continues, and later aligns only what is new or changed.

    Args:
        source: labeled photos: anything that ``read_manifest`` reads, or a manifest.
        out: a folder that does not exist, or is empty; with ``resume``, one that this made.
        settings: template, size, detector, which faces.
        root: the folder that the paths of a table start from.
        resume: continue in ``out``.
        processes: that align at the same time.

    Raises:
        InputError: the source cannot be read or holds ``out``, ``out`` is not empty, or it was
            begun with other settings.
        MissingExtra: the extra ``faces`` is not installed.
        LikewiseError: the disk is full.

    Example:
        >>> from likewise.faces.aligned_set.folder import align_photos
        >>> align_photos(photos, out).counts["none"]
        12
    """
    chosen, out = settings or AlignSettings(), Path(out)
    manifest = source if isinstance(source, Manifest) else read_manifest(source, root)
    manifest = without_repeats(manifest)
    if "identity" not in manifest.table.column_names:
        raise InputError(f"{manifest.root}: its photos have no identities, so no tree can be made")
    require_some_photo(manifest)
    # A table lists its photos: crops beside them are not taken for photos of it.
    named = manifest.root if isinstance(source, Manifest) else Path(source)
    _require_place(out, named, resume=resume)
    chosen.finder()  # an extra that is missing is told before anything is written
    require_writable(out)
    busy = f"{out}: another process aligns into it; wait for it, or choose another folder"
    with hold_lock(out / LOCK, busy):
        journal = CropJournal(out, chosen.record())
        write_alignment(out, chosen.alignment, finished=False, **chosen.about())
        files = crop_names(manifest, chosen.suffix, all_faces=chosen.keep == "all")
        outcomes, now = update_crops(
            manifest, out, lambda row, _: files[row], chosen, journal, processes=processes
        )
        gone = len(journal.done) - len(outcomes)
        report = AlignmentReport(chosen.alignment, outcomes, now, chosen.keep, gone)
        _write_table(report, out)
        if "split" not in manifest.table.column_names:
            _write_list(report, out)
        write_page(report, manifest, out)
        facts = {key: value for key, value in report.to_dict().items() if key != "left_out"}
        del facts["aligned_now"], facts["alignment"]
        write_alignment(out, chosen.alignment, finished=True, **chosen.about(), **facts)
    return report


def _require_place(out: Path, source: Path, *, resume: bool) -> None:
    """Refuse a folder inside the source, or one that holds something else."""
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{out}: lies in the source; choose a folder outside of it")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; the output is a folder")
    if not out.is_dir():
        return
    if (out / JOURNAL).exists():
        if not resume:
            raise InputError(f"{out}: exists; continue with --resume, or choose another folder")
        return
    ours = {LOCK, JOURNAL, ALIGNMENT_FILE}
    if any(entry.name not in ours for entry in out.iterdir()):
        raise InputError(f"{out}: not empty and not aligned here; choose another folder")


def _write_table(report: AlignmentReport, out: Path) -> None:
    with (
        new_file(out / TABLE) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
    ):
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        for outcome in report.outcomes:
            start = (outcome.name, outcome.status, outcome.reason, len(outcome.boxes))
            for face in outcome.taken:
                box = outcome.boxes[face.face]
                table.writerow((*start, face.file, *box, face.score, face.landmark_score,
                                face.eye_distance, face.turn))  # fmt: skip
            if not outcome.taken:
                table.writerow((*start, *("",) * 9))


def _write_list(report: AlignmentReport, out: Path) -> None:
    """The list by which the folder reader knows that the first sub-folder is the identity."""
    with new_file(out / LIST) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for outcome in report.outcomes:
            for face in outcome.taken:
                stream.write(json.dumps(face.file) + "\n")
