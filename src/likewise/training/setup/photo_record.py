"""Which photos a run began with, kept beside its recipe: what a resumed run compares its own with.

``photos.parquet`` has a row for each photo: its path, its identity, whether it is for training or
for validation, whether it could be read, and what it looked like: the means of 4 × 4 parts of what
the network sees, in grey. So a photo that was swapped under its old name is found, and another
version of a decoder, which moves a pixel by a level, changes nothing. Photos that are read only as
they are needed have no such look, but for a sample of 512.
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
from likewise.errors import InputError
from likewise.storage import new_file, sha256_of

__all__ = ["PHOTOS", "PhotoRecord", "keep_records", "listing_changes", "read_records"]

PHOTOS = "photos.parquet"
SIDE = 4
ENOUGH = 32  # pixels a side that the means are taken of: all of a larger image would cost time
NEAR = 4  # levels of 255 by which a part's mean may differ
SAMPLE = 512  # of photos that are not all read: 1 % of them swapped is seen 99 times of 100
NAMED = 3  # in a message
CHUNK = 1024  # photos that are reduced at a time
TEXT = pa.large_string()


@dataclass(frozen=True)
class PhotoRecord:
    """The photos of one part of a run.

    Args:
        names: their paths, [N] strings.
        people: whom they show, [N] strings.
        tried: whether all of them were read before the first step.
        bad: the rows of those that could not be read then, int64.
        seen: the rows whose look is known, int64 [M].
        looks: uint8 [M, 16].
    """

    names: pa.ChunkedArray
    people: pa.ChunkedArray
    tried: bool
    bad: NDArray[np.int64]
    seen: NDArray[np.int64]
    looks: NDArray[np.uint8]

    @classmethod
    def of(cls, manifest: Manifest, found: Readable, preprocess: Preprocess) -> PhotoRecord:
        """The record of ``manifest``, of which ``found`` is what can be read."""
        if found.pixels is not None:
            seen, looks = found.rows, _looks(found.pixels)
        else:
            seen, looks = _sampled(manifest, np.arange(len(manifest)), preprocess)
        return cls(
            names=_texts(manifest, "path"),
            people=_texts(manifest, "identity"),
            tried=found.pixels is not None,
            bad=np.array(sorted(found.bad), np.int64),
            seen=seen,
            looks=looks,
        )

    def changes(self, manifest: Manifest, found: Readable, preprocess: Preprocess) -> list[str]:
        """What is not as it was with photos of the same names: unreadable now, or changed.

        Args:
            manifest: the same rows, now.
            found: what of them can be read now.
            preprocess: what the network sees of them.
        """
        lost = np.setdiff1d(np.array(sorted(found.bad), np.int64), self.bad)
        if found.pixels is not None:
            rows, looks = found.rows, _looks(found.pixels)
        else:
            rows, looks = _sampled(manifest, self.seen, preprocess)
        both, ours, theirs = np.intersect1d(self.seen, rows, return_indices=True)
        apart = np.abs(self.looks[ours].astype(np.int64) - looks[theirs]).max(axis=1, initial=0)
        return [
            *_told("cannot be read now", self.names, lost),
            *_told("changed", self.names, both[apart > NEAR]),
        ]

    def back(self, found: Readable) -> list[str]:
        """The photos that could not be read then, and can be now."""
        if found.pixels is None:
            return []
        return _told("can be read again", self.names, np.intersect1d(self.bad, found.rows))

    def table(self, part: str) -> pa.Table:
        """The record as rows of the file."""
        count = len(self.names)
        readable = np.ones(count, bool)
        readable[self.bad] = False
        untold = readable & (not self.tried)
        known = np.zeros(count, bool)
        known[self.seen] = True
        looks = np.zeros((count, SIDE * SIDE), np.uint8)
        looks[self.seen] = self.looks
        valid = np.packbits(known, bitorder="little")
        buffers = [pa.py_buffer(valid), pa.py_buffer(looks)]
        return pa.table(
            {
                "path": self.names,
                "identity": self.people,
                "part": pa.repeat(part, count),
                "read": pa.array(readable, mask=untold),
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
            looks=np.frombuffer(b"".join(known), np.uint8).reshape(-1, SIDE * SIDE),
        )


def keep_records(path: Path, new: tuple[PhotoRecord, PhotoRecord] | None) -> str:
    """Write the photos to train on and those to measure on, if they are ``new``.

    Returns:
        The SHA-256 of the file, by which a checkpoint knows it.

    Raises:
        LikewiseError: the disk is full or the folder cannot be written.
    """
    if new is not None:
        table = pa.concat_tables([new[0].table("train"), new[1].table("val")])
        with new_file(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")
    return sha256_of(path)


def read_records(path: Path) -> tuple[PhotoRecord, PhotoRecord]:
    """The photos for training, and those for validation.

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
        reason = (str(error).splitlines() or ["no details"])[0]
        raise InputError(f"{path}: damaged ({reason})") from None
    return training, held_out


def listing_changes(before: Sequence[PhotoRecord], now: Sequence[Manifest]) -> list[str]:
    """What of the names, the people and the parts is not as it was: a phrase for each kind.

    Args:
        before: the photos for training, and those for validation, when the run began.
        now: the same of this start.
    """
    names = [_joined(r.names for r in before), _joined(_texts(m, "path") for m in now)]
    people = [_joined(r.people for r in before), _joined(_texts(m, "identity") for m in now)]
    counts = [len(before[0].names), len(now[0])]
    if names[0].equals(names[1]) and people[0].equals(people[1]) and counts[0] == counts[1]:
        return []
    old, new = names
    found = _told("gone", old, _absent(old, new)) + _told("new", new, _absent(new, old))
    place = pc.index_in(new, value_set=old)
    both = np.flatnonzero(place.is_valid().to_numpy())
    then = place.drop_null().to_numpy().astype(np.int64)
    other = pc.not_equal(people[1].take(pa.array(both)), people[0].take(pa.array(then)))
    found += _told("of another person", new, both[other.to_numpy()])
    moved = (both < counts[1]) != (then < counts[0])
    found += _told("moved between training and validation", new, both[moved])
    for what, some, others in (("gone", *people), ("new", *reversed(people))):
        absent = pc.unique(some.filter(pc.invert(pc.is_in(some, value_set=others))))
        if len(absent):
            found.append(f"people {what}: {len(absent):,} ({_few(sorted(absent.to_pylist()))})")
    return found or ["in another order"]


def _texts(manifest: Manifest, column: str) -> pa.ChunkedArray:
    return manifest.table[column].cast(TEXT)


def _joined(parts: Iterable[pa.ChunkedArray]) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], TEXT)


def _absent(names: pa.ChunkedArray, others: pa.ChunkedArray) -> NDArray[np.int64]:
    """The rows whose name is not among the others."""
    return np.flatnonzero(~pc.is_in(names, value_set=others).to_numpy())


def _told(what: str, names: pa.ChunkedArray, rows: NDArray[np.int64]) -> list[str]:
    if not len(rows):
        return []
    first = names.take(pa.array(rows[:NAMED])).to_pylist()
    return [f"{len(rows):,} {what} ({_few(first, len(rows))})"]


def _few(names: Sequence[str], count: int | None = None) -> str:
    more = (len(names) if count is None else count) > NAMED
    return ", ".join(names[:NAMED]) + (", …" if more else "")


def _looks(pixels: Tensor) -> NDArray[np.uint8]:
    """The looks uint8 [N, 16] of pixels uint8 [N,C,H,W]."""
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


def _sampled(
    manifest: Manifest, rows: NDArray[np.int64], preprocess: Preprocess
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Which of some of these rows can be read, and their looks."""
    some = rows[np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(np.int64))]
    outcomes = read_pixels((manifest.photo(row) for row in some.tolist()), preprocess)
    pixels = {
        row: outcome
        for row, outcome in zip(some.tolist(), outcomes, strict=True)
        if not isinstance(outcome, BadImage)
    }
    if not pixels:
        return np.empty(0, np.int64), np.empty((0, SIDE * SIDE), np.uint8)
    return np.array(list(pixels), np.int64), _looks(torch.stack(list(pixels.values())))
