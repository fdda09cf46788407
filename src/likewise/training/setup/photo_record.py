"""A record of the photos that a run started with, for comparison when it is resumed.

``photos.parquet`` has a row for each photo: its path, its identity, whether it is for training or
for validation, whether it could be read, and a thumbnail: the mean grey levels of 4 × 4 parts of
the network's input. The thumbnail shows that a photo was replaced under its old name; another
version of a decoder, which changes a pixel by a level, makes no difference. If photos are read on
demand, only a sample of 512 has thumbnails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.photos import Readable
from likewise.data.preprocess import Preprocess
from likewise.data.reader import read_pixels
from likewise.errors import InputError, first_few, first_line
from likewise.storage import new_file, sha256_of

__all__ = ["PHOTOS", "PhotoRecord", "keep_records", "listing_changes", "read_records"]

PHOTOS = "photos.parquet"
SIDE = 4
ENOUGH = 32  # pixels a side from which the means are computed: all of a larger image would be slow
NEAR = 4  # of 255 levels by which the mean of a part may differ
SAMPLE = 512  # photos: finds 1 % of replaced photos with a probability of 99 %
NAMED = 3  # photos in a message
CHUNK = 1024  # photos that are reduced at a time
TEXT = pa.large_string()


@dataclass(frozen=True)
class PhotoRecord:
    """The photos of one part of a run: training or validation.

    Args:
        names: the paths, [N] strings.
        people: the identities, [N] strings.
        tried: whether all photos were read before the first step.
        bad: the rows of the photos that could not be read then, int64.
        seen: the rows with thumbnails, int64 [M].
        thumbnails: uint8 [M, 16].
    """

    names: pa.ChunkedArray
    people: pa.ChunkedArray
    tried: bool
    bad: NDArray[np.int64]
    seen: NDArray[np.int64]
    thumbnails: NDArray[np.uint8]

    @classmethod
    def of(cls, manifest: Manifest, found: Readable, preprocess: Preprocess) -> PhotoRecord:
        """The record of ``manifest``; ``found`` are the photos that can be read."""
        if found.pixels is not None:
            seen, looks = found.rows, _thumbnails(found.pixels)
        else:
            seen, looks = _sampled_thumbnails(manifest, np.arange(len(manifest)), preprocess)
        return cls(
            names=_texts(manifest, "path"),
            people=_texts(manifest, "identity"),
            tried=found.pixels is not None,
            bad=np.array(sorted(found.bad), np.int64),
            seen=seen,
            thumbnails=looks,
        )

    def changes(self, manifest: Manifest, found: Readable, preprocess: Preprocess) -> list[str]:
        """The photos that cannot be read now or have changed, as a phrase for each kind.

        Args:
            manifest: the same rows, now.
            found: the photos that can be read now.
            preprocess: from photos to the network's input.
        """
        lost = np.setdiff1d(np.array(sorted(found.bad), np.int64), self.bad)
        if found.pixels is not None:
            rows, looks = found.rows, _thumbnails(found.pixels)
        else:
            rows, looks = _sampled_thumbnails(manifest, self.seen, preprocess)
        both, ours, theirs = np.intersect1d(self.seen, rows, return_indices=True)
        differences = np.abs(self.thumbnails[ours].astype(np.int64) - looks[theirs])
        return [
            *_phrase("cannot be read now", self.names, lost),
            *_phrase("changed", self.names, both[differences.max(axis=1, initial=0) > NEAR]),
        ]

    def readable_again(self, found: Readable) -> list[str]:
        """The photos that could not be read when the run started, and can be now."""
        if found.pixels is None:
            return []
        return _phrase("can be read again", self.names, np.intersect1d(self.bad, found.rows))

    def table(self, part: str) -> pa.Table:
        """The record as rows of the file."""
        count = len(self.names)
        readable = np.ones(count, bool)
        readable[self.bad] = False
        unknown = readable & (not self.tried)
        known = np.zeros(count, bool)
        known[self.seen] = True
        looks = np.zeros((count, SIDE * SIDE), np.uint8)
        looks[self.seen] = self.thumbnails
        valid = np.packbits(known, bitorder="little")
        buffers = [pa.py_buffer(valid), pa.py_buffer(looks)]
        return pa.table(
            {
                "path": self.names,
                "identity": self.people,
                "part": pa.repeat(part, count),
                "read": pa.array(readable, mask=unknown),
                "look": pa.Array.from_buffers(pa.binary(SIDE * SIDE), count, buffers),
            }
        )

    @classmethod
    def from_table(cls, table: pa.Table) -> PhotoRecord:
        """The inverse of ``table``."""
        read, look = table["read"], table["look"]
        seen = np.flatnonzero(look.is_valid().to_numpy())
        known = look.drop_null().to_pylist()
        return cls(
            names=table["path"],
            people=table["identity"],
            tried=not read.null_count,
            bad=np.flatnonzero(pc.invert(read.fill_null(True)).to_numpy()),
            seen=seen,
            thumbnails=np.frombuffer(b"".join(known), np.uint8).reshape(-1, SIDE * SIDE),
        )


def keep_records(path: Path, new: tuple[PhotoRecord, PhotoRecord] | None) -> str:
    """Write the records of training and validation photos, if they are ``new``.

    Returns:
        The SHA-256 of the file, which checkpoints refer to.

    Raises:
        LikewiseError: the disk is full or the folder cannot be written.
    """
    if new is not None:
        table = pa.concat_tables([new[0].table("train"), new[1].table("val")])
        with new_file(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")
    return sha256_of(path)


def read_records(path: Path) -> tuple[PhotoRecord, PhotoRecord]:
    """The records of the training photos and of the validation photos.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        table = pq.read_table(path)
        parts = (table.filter(pc.equal(table["part"], part)) for part in ("train", "val"))
        training, held_out = (PhotoRecord.from_table(part) for part in parts)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: damaged ({first_line(error)})") from None
    return training, held_out


def listing_changes(before: Sequence[PhotoRecord], now: Sequence[Manifest]) -> list[str]:
    """The changes in names, identities and parts: a phrase for each kind.

    Args:
        before: the training and the validation photos when the run started.
        now: the training and the validation photos now.
    """
    names = [_joined(r.names for r in before), _joined(_texts(m, "path") for m in now)]
    people = [_joined(r.people for r in before), _joined(_texts(m, "identity") for m in now)]
    counts = [len(before[0].names), len(now[0])]
    if names[0].equals(names[1]) and people[0].equals(people[1]) and counts[0] == counts[1]:
        return []
    old, new = names
    found = _phrase("gone", old, _absent(old, new)) + _phrase("new", new, _absent(new, old))
    place = pc.index_in(new, value_set=old)
    both = np.flatnonzero(place.is_valid().to_numpy())
    then = place.drop_null().to_numpy().astype(np.int64)
    other = pc.not_equal(people[1].take(pa.array(both)), people[0].take(pa.array(then)))
    found += _phrase("of another person", new, both[other.to_numpy()])
    moved = (both < counts[1]) != (then < counts[0])
    found += _phrase("moved between training and validation", new, both[moved])
    for what, some, others in (("gone", *people), ("new", *reversed(people))):
        absent = pc.unique(some.filter(pc.invert(pc.is_in(some, value_set=others))))
        if len(absent):
            found.append(
                f"people {what}: {len(absent):,} ({first_few(sorted(absent.to_pylist()))})"
            )
    return found or ["in another order"]


def _texts(manifest: Manifest, column: str) -> pa.ChunkedArray:
    return manifest.table[column].cast(TEXT)


def _joined(parts: Iterable[pa.ChunkedArray]) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], TEXT)


def _absent(names: pa.ChunkedArray, others: pa.ChunkedArray) -> NDArray[np.int64]:
    """The rows whose name is not among the others."""
    return np.flatnonzero(~pc.is_in(names, value_set=others).to_numpy())


def _phrase(what: str, names: pa.ChunkedArray, rows: NDArray[np.int64]) -> list[str]:
    if not len(rows):
        return []
    first = names.take(pa.array(rows[: NAMED + 1])).to_pylist()
    return [f"{len(rows):,} {what} ({first_few(first, NAMED)})"]


def _thumbnails(pixels: Tensor) -> NDArray[np.uint8]:
    """The thumbnails uint8 [N, 16] of pixels uint8 [N,C,H,W]."""
    step = max(1, min(pixels.shape[-2:]) // ENOUGH)
    parts = [
        adaptive_avg_pool2d(
            some[:, :, ::step, ::step].float().mean(dim=1, keepdim=True), SIDE
        ).flatten(1)
        for some in pixels.split(CHUNK)
    ]
    found = torch.cat(parts) if parts else torch.empty(0, SIDE * SIDE)
    looks: NDArray[np.uint8] = found.round().to(torch.uint8).numpy()
    return looks


def _sampled_thumbnails(
    manifest: Manifest, rows: NDArray[np.int64], preprocess: Preprocess
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """A sample of the rows: those that can be read, and their thumbnails."""
    some = rows[np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(np.int64))]
    outcomes = read_pixels((manifest.photo(row) for row in some.tolist()), preprocess)
    pixels = {
        row: outcome
        for row, outcome in zip(some.tolist(), outcomes, strict=True)
        if not isinstance(outcome, BadImage)
    }
    if not pixels:
        return np.empty(0, np.int64), np.empty((0, SIDE * SIDE), np.uint8)
    return np.array(list(pixels), np.int64), _thumbnails(torch.stack(list(pixels.values())))
