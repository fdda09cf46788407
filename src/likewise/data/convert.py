"""Convert labeled photos to another format, bytes unchanged, resumable after a crash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from likewise.arguments import one_of
from likewise.data.alignment import write_alignment
from likewise.data.formats import read_manifest
from likewise.data.images import BadImage, decode
from likewise.data.manifest import SPLITS, Manifest
from likewise.data.missing_photos import require_some_photo
from likewise.data.repeats import without_repeats
from likewise.data.store import photo_bytes
from likewise.data.writers import WriterFormat, writer_format
from likewise.data.writers.conversion_journal import DIGESTS, Journal
from likewise.data.writers.growing_file import GrowingFile
from likewise.errors import InputError, LikewiseError
from likewise.progress import progress

__all__ = ["Conversion", "convert"]

# The most work that a crash loses. Counted, not timed, so that a resumed run gives the same files.
CHECKPOINT_PHOTOS = 20_000
CHECKPOINT_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion.

    Args:
        out: the output folder.
        format: the output format.
        photos: photos written in total.
        identities: their identities.
        bytes: their bytes.
        sha256: their checksum, in order.
        resumed_from: photos that an earlier run had written.
        verified: whether the output was read again and compared.
        broken: photos that cannot be decoded; None if this was not checked.
        named: the first of these, with the reasons.
    """

    out: str
    format: str
    photos: int
    identities: int
    bytes: int
    sha256: str
    resumed_from: int
    verified: bool
    broken: int | None
    named: list[dict[str, str]]


def convert(
    source: str | Path,
    out: str | Path,
    to: str,
    *,
    root: str | Path | None = None,
    resume: bool = False,
    verify: bool = True,
    check: bool = False,
    format: str | None = None,
    split: str | None = None,
) -> Conversion:
    """Write the photos of ``source`` in another format, unchanged, with names and identities.

    Other metadata is not kept. A conversion that was stopped, even by ``kill -9`` or a power cut,
    can be resumed and gives the same files.

    Args:
        source: anything that ``read_manifest`` reads.
        out: a folder that does not exist, or is empty.
        to: a name of ``likewise.data.writers.list_writers()``.
        root: the folder that the paths of a table start from.
        resume: continue the conversion in ``out``, if one was started there.
        verify: read the output again, and compare the SHA-256 of every photo and the grouping
            into identities with the source.
        check: decode every photo and count the broken ones, which are written too.
        format: of the source, as for ``read_manifest``.
        split: the photos of this split alone; None: all.

    Raises:
        InputError: the source cannot be read, ``out`` is not empty, or holds a conversion of
            another source or format.
        LikewiseError: the disk is full, or the output differs from the source.

    Example:
        >>> from likewise.data.convert import convert
        >>> convert(photos, out, "tar").photos
        12
    """
    writer = writer_format(to)
    out = Path(out)
    manifest = without_repeats(read_manifest(source, root, format=format))
    if split is not None:
        one_of("split", split, SPLITS)
        manifest = manifest.split(split)
        if not len(manifest):
            raise InputError(f"{source}: split: no photo is of the split {split}")
    require_some_photo(manifest)
    if out.resolve().is_relative_to(Path(source).resolve()):
        raise InputError(f"{out}: lies in the source; choose a folder outside of it")
    journal = Journal.load(out)
    if journal is None:
        journal = Journal(writer.name, manifest.fingerprint, len(manifest), check)
        journal.save(out)
    elif not resume:
        raise InputError(f"{out}: exists; continue with --resume, or choose another folder")
    _require_same(journal, writer.name, manifest, out)
    resumed_from = journal.photos
    order = np.arange(len(manifest))
    if writer.grouped:
        order = np.argsort(manifest.labels, kind="stable")
    digests = out / DIGESTS
    if not journal.finished:
        _write(manifest, order, writer, journal, out)
        if verify:
            _verify(manifest, order, out, GrowingFile.partial_of(digests))
        if manifest.alignment is not None:
            write_alignment(out, manifest.alignment)
        journal.verified, journal.finished = verify, True
        journal.save(out)
    GrowingFile.partial_of(digests).unlink(missing_ok=True)
    return Conversion(
        str(out),
        writer.name,
        journal.photos,
        len(manifest.identities),
        journal.size,
        journal.sha256,
        resumed_from,
        journal.verified,
        journal.broken if journal.check else None,
        journal.named,
    )


def _require_same(journal: Journal, format: str, manifest: Manifest, out: Path) -> None:
    if journal.format != format:
        raise InputError(f"{out}: was started with --to {journal.format}; resume with the same")
    if (journal.fingerprint, journal.total) != (manifest.fingerprint, len(manifest)):
        raise InputError(
            f"{out}: was started from other photos (other names or identities); resume with the "
            "same source, or start again in another folder"
        )


def _write(
    manifest: Manifest, order: NDArray[np.int64], format: WriterFormat, journal: Journal, out: Path
) -> None:
    writer = format.writer(out, journal.writer)
    digests = GrowingFile(out / DIGESTS, 32 * journal.photos)

    def checkpoint() -> None:
        digests.flush()
        journal.writer = writer.state()
        journal.save(out)

    saved_photos, saved_bytes = journal.photos, journal.size
    with progress(f"writing {format.name}", len(order)) as advance:
        advance(journal.photos)
        for row in order[journal.photos :].tolist():
            photo = manifest.photo(row)
            name = _relative(manifest.table["path"][row].as_py(), manifest.root)
            data = photo_bytes(photo)
            writer.write(name, str(manifest.table["identity"][row].as_py()), data)
            digest = hashlib.sha256(data).digest()
            digests.write(digest)
            journal.add(digest, len(data))
            if journal.check:
                try:
                    decode(data)
                except BadImage as bad:
                    journal.add_broken(name, bad.reason)
            if (
                journal.photos - saved_photos >= CHECKPOINT_PHOTOS
                or journal.size - saved_bytes >= CHECKPOINT_BYTES
            ):
                checkpoint()
                saved_photos, saved_bytes = journal.photos, journal.size
            advance(1)
    if journal.photos > saved_photos:
        checkpoint()
    writer.finish()


def _relative(name: str, root: Path) -> str:
    """A name relative to the root; a table may hold absolute paths."""
    path = PurePosixPath(name)
    if path.is_absolute():
        return path.relative_to(root.absolute()).as_posix()
    return name


def _verify(manifest: Manifest, order: NDArray[np.int64], out: Path, digests: Path) -> None:
    """Read the output through ``read_manifest`` and compare it with the source."""
    try:
        found = read_manifest(out)
    except InputError as error:
        raise LikewiseError(f"{out}: the output cannot be read: {error}") from None
    if len(found) != len(order):
        raise LikewiseError(f"{out}: holds {len(found):,} of {len(order):,} photos; convert again")
    read = np.empty((len(order), 32), np.uint8)
    with progress("verifying", len(order)) as advance:
        for row in range(len(found)):
            photo = found.photo(row)
            try:
                data = photo_bytes(photo)
            except InputError as error:
                raise LikewiseError(f"{out}: the output cannot be read: {error}") from None
            read[row] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
            advance(1)
    written = np.fromfile(digests, np.uint8).reshape(-1, 32)
    different = _first_difference(read, written)
    if different is not None:
        name = found.table["path"][different].as_py()
        raise LikewiseError(f"{out}: {name}: is not what was written; the disk may be failing")
    if not np.array_equal(
        _by_identity(read, found.labels), _by_identity(written, manifest.labels[order])
    ):
        raise LikewiseError(f"{out}: photos have changed their identity; convert again")


def _first_difference(read: NDArray[np.uint8], written: NDArray[np.uint8]) -> int | None:
    """The first row whose digest was not written, or less often; the order may differ."""
    if np.array_equal(read, written):
        return None
    words = [digests.view(np.uint64) for digests in (read, written)]
    sorts = [np.lexsort(w.T) for w in words]
    differs = (words[0][sorts[0]] != words[1][sorts[1]]).any(axis=1)
    if not differs.any():
        return None
    unknown = ~np.isin(words[0][:, 0], words[1][:, 0])
    return int(np.argmax(unknown)) if unknown.any() else int(sorts[0][np.argmax(differs)])


def _by_identity(digests: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A sorted checksum per identity, so that formats may rename and reorder identities."""
    sums = np.zeros(int(labels.max(initial=-1)) + 1, np.uint64)
    np.add.at(sums, labels, digests.view(np.uint64)[:, 0])
    return np.sort(sums)
