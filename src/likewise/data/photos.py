"""A manifest's photos as a torch dataset: decoded, cached in memory, augmented reproducibly."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from likewise.data.augmentation.own_transform import OwnTransform
from likewise.data.containers.dataset_store import as_photo
from likewise.data.images import BadImage, decode
from likewise.data.manifest import Manifest
from likewise.data.missing_photos import require_some_photo
from likewise.data.preprocess import Preprocess
from likewise.data.reader import read_pixels
from likewise.data.sampler import Draw
from likewise.data.transforms import BatchTransform
from likewise.errors import InputError
from likewise.progress import progress

__all__ = ["Batch", "OnBadImage", "Photos", "Readable", "collate", "keep_readable"]

OnBadImage = Literal["skip", "refuse"]
Sample = tuple[Tensor, int, int] | BadImage
log = logging.getLogger(__name__)


@dataclass
class Batch:
    """A batch of a data loader: pixels uint8 [B,C,H,W], labels int64 [B], and the broken photos.

    ``rows`` are the manifest rows of the images; empty if they come from no manifest.
    """

    pixels: Tensor
    labels: Tensor
    bad: list[BadImage]
    rows: list[int] = field(default_factory=list)

    def pin_memory(self) -> Batch:
        """A copy in page-locked memory, for asynchronous transfer to a GPU."""
        return Batch(self.pixels.pin_memory(), self.labels.pin_memory(), self.bad, self.rows)


class Photos(torch.utils.data.Dataset[Sample]):
    """The photos of a manifest as uint8 [C,H,W] with their labels and rows.

    The index is ``(row, seed)``. The augmentation depends on the seed alone, so that neither the
    batch, the number of workers nor a restart changes a pixel.

    Args:
        manifest: the photos.
        preprocess: crops and resizes them for the network.
        augment: applied to each batch, or None.
        cached: the decoded pixels, uint8 [N,C,H,W]; None to decode on access.
        transform: applied to each photo at its full size, in place of ``augment`` and ``cached``;
            what it gives is then cropped and resized.
    """

    def __init__(
        self,
        manifest: Manifest,
        preprocess: Preprocess,
        augment: BatchTransform | None = None,
        cached: Tensor | None = None,
        transform: OwnTransform | None = None,
    ) -> None:
        self.manifest = manifest
        self.labels = manifest.labels
        self.preprocess = preprocess
        self.augment = augment if transform is None else None
        self.cached = cached if transform is None else None
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, draws: Sequence[Draw]) -> Batch:
        """The photos of these rows, augmented by these seeds; broken ones are listed instead."""
        rows, seeds = (list(part) for part in zip(*draws, strict=True)) if draws else ([], [])
        bad: list[BadImage] = []
        if self.cached is not None:
            pixels = self.cached[torch.tensor(rows, dtype=torch.int64)]
        else:
            size = (self.preprocess.channels, self.preprocess.height, self.preprocess.width)
            pixels = torch.empty(len(rows), *size, dtype=torch.uint8)
            read: list[int] = []
            for place, row in enumerate(rows):
                try:
                    pixels[len(read)] = self._pixels(row, seeds[place])
                    read.append(place)
                except BadImage as broken:
                    bad.append(broken)
            pixels = pixels[: len(read)]
            rows, seeds = [rows[place] for place in read], [seeds[place] for place in read]
        if self.augment is not None:
            pixels = self.augment(pixels, torch.tensor(seeds, dtype=torch.int64))
        return Batch(pixels, torch.from_numpy(self.labels[rows]), bad, rows)

    def _pixels(self, row: int, seed: int) -> Tensor:
        photo = self.manifest.photo(row)
        if self.transform is None:
            return self.preprocess.pixels(photo)
        channels = self.preprocess.channels
        whole = np.array(decode(photo, channels=channels))
        whole = whole.reshape(*whole.shape[:2], channels)
        try:
            return self.preprocess.pixels(as_photo(self.transform(whole, seed)))
        except (BadImage, InputError) as error:  # of what the transform gives, not of the photo
            raise InputError(f"transform: its result for {photo}: {error}") from None

    def __getitems__(self, draws: Sequence[Draw]) -> list[Batch]:
        """What a ``DataLoader`` asks for, and ``collate`` makes a ``Batch`` of."""
        return [self.batch(draws)]

    def __getitem__(self, draw: Draw) -> Sample:
        """The pixels, label and row of one photo, or why it cannot be read."""
        batch = self.batch([draw])
        return batch.bad[0] if batch.bad else (batch.pixels[0], int(batch.labels[0]), batch.rows[0])


def collate(batches: list[Batch]) -> Batch:
    """The batch of a loader: ``Photos`` has made it whole."""
    (batch,) = batches
    return batch


@dataclass
class Readable:
    """The readable photos of a manifest.

    Args:
        manifest: the readable photos only.
        pixels: their pixels, uint8 [N,C,H,W]; None if they are decoded on access.
        bad: the broken photos, by row of the original manifest.
        rows: the row of each readable photo in the original manifest, int64 [N].
    """

    manifest: Manifest
    pixels: Tensor | None
    bad: dict[int, BadImage]
    rows: NDArray[np.int64]

    def without(self, bad: Mapping[int, BadImage]) -> Readable:
        """Remove further broken photos, given by their rows in the original manifest."""
        kept = np.flatnonzero(~np.isin(self.rows, np.fromiter(bad, np.int64, len(bad))))
        merged = {**bad, **self.bad}
        if len(kept) == len(self.rows):
            return replace(self, bad=merged)
        if self.pixels is not None:
            for place, row in enumerate(kept.tolist()):  # in place: memory may not hold a copy
                if place != row:
                    self.pixels[place] = self.pixels[row]
        pixels = None if self.pixels is None else self.pixels[: len(kept)]
        return Readable(self.manifest.take(kept), pixels, merged, self.rows[kept])


def keep_readable(
    manifest: Manifest,
    preprocess: Preprocess,
    *,
    on_bad_image: OnBadImage,
    keep_bytes: int,
    what: str = "reading",
) -> Readable:
    """Decode every photo into memory once before training, and find the broken ones.

    If the pixels need more than ``keep_bytes``, nothing is decoded and no photo is removed.

    Args:
        manifest: the photos.
        preprocess: crops and resizes them.
        on_bad_image: ``skip`` removes a broken photo and logs it, ``refuse`` raises it.
        keep_bytes: the most memory that the pixels may take.
        what: the label of the progress bar.

    Raises:
        BadImage: the first broken photo, with ``refuse``.
        InputError: none of the photos exists.
    """
    require_some_photo(manifest)
    each = preprocess.channels * preprocess.height * preprocess.width
    everything = np.arange(len(manifest))
    if len(manifest) * each > keep_bytes:
        return Readable(manifest, None, {}, everything)
    kept: list[int] = []
    bad: dict[int, BadImage] = {}
    pixels = torch.empty(
        len(manifest), preprocess.channels, preprocess.height, preprocess.width, dtype=torch.uint8
    )
    with progress(what, len(manifest)) as advance:
        for row, outcome in enumerate(read_pixels(manifest.photos(), preprocess)):
            if isinstance(outcome, BadImage):
                if on_bad_image == "refuse":
                    raise outcome
                log.info("left out: %s", outcome)
                bad[row] = outcome
            else:
                pixels[len(kept)] = outcome
                kept.append(row)
            advance(1)
    if not bad:
        return Readable(manifest, pixels, bad, everything)
    return Readable(manifest.take(kept), pixels[: len(kept)], bad, np.array(kept, np.int64))
