"""Photos aligned for one command: crops in the user's cache, which the next command finds there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from likewise.cache import ADVICE, cache_folder, cache_key
from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.missing_photos import require_some_photo
from likewise.data.repeats import without_repeats
from likewise.data.store import read_photo_file
from likewise.errors import LikewiseError, first_few
from likewise.faces.aligned_set.crop_folder import LOCK, update_crops
from likewise.faces.aligned_set.journal import JOURNAL, CropJournal
from likewise.faces.aligned_set.outcome import BROKEN
from likewise.faces.aligned_set.report import AlignmentReport
from likewise.faces.aligned_set.settings import AlignSettings
from likewise.locks import hold_lock
from likewise.machine import usable_cores

__all__ = ["CACHE", "aligned"]

CACHE = "aligned"  # the kind of cache folder
UNUSED_DAYS = 60  # after which a set is removed
USED = ".likewise-used"  # its time tells when a set was last used
PER_PROCESS = 256  # photos from which another process pays
MOST_PROCESSES = 8


@dataclass(frozen=True)
class CropStore:
    """The crops of a cached set; the ``place`` of each names its file.

    Args:
        folder: of the set.
        suffix: of the files.
    """

    folder: Path
    suffix: str

    def read(self, place: int) -> bytes:
        """The encoded crop at a place.

        Raises:
            InputError: it is no longer in the cache.
        """
        return read_photo_file(self.folder / _file(place, self.suffix))


def aligned(
    manifest: Manifest,
    settings: AlignSettings | None = None,
    *,
    processes: int | None = None,
    on_bad_image: str = "skip",
) -> tuple[Manifest, AlignmentReport]:
    """The same photos with their faces aligned: same names, identities, splits and metadata.

    The crops lie in ``cache_folder("aligned")``; a later call aligns only photos that are new or
    changed. Crops of photos that are gone are removed, and so are sets that were not used for 60
    days. Photos without a face and broken ones are left out. Of several faces ``settings.keep``
    takes one. Several processes with the same call do the work once: the others wait.

    Args:
        manifest: the photos.
        settings: template, size, detector, which face; not ``all``.
        processes: that align at the same time; None: as many as pay.
        on_bad_image: ``refuse`` raises the first broken photo.

    Returns:
        The aligned photos, and what came of each photo.

    Raises:
        BadImage: the first broken photo, under ``refuse``.
        InputError: none of the photos exists, or one is listed under two identities.
        MissingExtra: the extra ``faces`` is not installed.
        LikewiseError: no photo has a face, or the cache cannot be written.
    """
    chosen = settings or AlignSettings()
    manifest = without_repeats(manifest)
    require_some_photo(manifest)
    chosen.finder()
    folder = cache_folder(CACHE) / _key(manifest, chosen)
    if os.environ.get("RANK", "0") != "0":
        time.sleep(1.0)  # so that rank 0 does it, which shows the progress
    with hold_lock(folder / LOCK, "", wait=None, advice=ADVICE):
        _remove_unused(folder)
        (folder / USED).touch()
        journal = CropJournal(folder, chosen.record())
        _forget_gone(journal, manifest, folder)
        names = manifest.names
        outcomes, now = update_crops(
            manifest, folder,
            lambda row, stamp: _file(_place(names[row], stamp), chosen.suffix),
            chosen, journal, processes=processes or _processes(len(manifest)),
        )  # fmt: skip
    report = AlignmentReport(chosen.alignment, outcomes, now, chosen.keep)
    if on_bad_image == "refuse":
        for outcome in outcomes:
            if outcome.status == BROKEN:
                raise BadImage(outcome.name, outcome.reason)
    rows = [row for row, outcome in enumerate(outcomes) if outcome.taken]
    if not rows:
        left = first_few(f"{bad.name}: {bad.reason}" for bad in report.left_out)
        raise LikewiseError(
            f"{manifest.root}: no face in any of the {len(manifest):,} photos ({left}); leave "
            "--detect out if they are crops of faces, or no faces"
        )
    places = [_place(outcomes[row].name, outcomes[row].stamp) for row in rows]
    table = manifest.table.take(pa.array(rows, pa.int64()))
    if "place" in table.column_names:
        table = table.drop_columns(["place"])
    table = table.append_column("place", pa.array(places, pa.int64()))
    store = CropStore(folder, chosen.suffix)
    return replace(manifest, table=table, store=store, alignment=chosen.alignment), report


def _key(manifest: Manifest, settings: AlignSettings) -> str:
    """The name of the folder of a set: of the place of its photos, and of the settings."""
    return cache_key(json.dumps([str(manifest.root.resolve()), settings.record()], sort_keys=True))


def _place(name: str, stamp: str) -> int:
    digest = hashlib.sha256(f"{name}\0{stamp}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # a positive int64


def _file(place: int, suffix: str) -> str:
    text = f"{place:016x}"
    return f"{text[-2:]}/{text}{suffix}"


def _forget_gone(journal: CropJournal, manifest: Manifest, folder: Path) -> None:
    """Remove the crops of photos that do not exist any more; a part of a set removes nothing."""
    known = set(manifest.names)
    gone = {name for name in journal.done if name not in known and _is_gone(manifest, name)}
    if gone:
        for name in gone:
            for face in journal.done[name].taken:
                (folder / face.file).unlink(missing_ok=True)
        journal.forget(gone)


def _is_gone(manifest: Manifest, name: str) -> bool:
    """Whether there is no such file; what lies in containers is kept."""
    return manifest.store is None and not (manifest.root / name).exists()


def _processes(photos: int) -> int:
    here = max(1, usable_cores() // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1") or 1)))
    return max(1, min(here, photos // PER_PROCESS, MOST_PROCESSES))


def _remove_unused(own: Path) -> None:
    """Remove other sets that were not used for a long time."""
    oldest = time.time() - UNUSED_DAYS * 86_400
    for folder in _sets(own.parent):
        used = folder / USED
        if folder != own and used.exists() and used.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def _sets(top: Path) -> Iterator[Path]:
    return (folder for folder in top.iterdir() if (folder / JOURNAL).is_file())
