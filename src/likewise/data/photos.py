"""A manifest's photos as a torch dataset: decoded, cached in memory, augmented reproducibly."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import default_collate
from torchvision.transforms import v2

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.missing_photos import require_some_photo
from likewise.data.preprocess import Preprocess
from likewise.data.reader import read_pixels
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
    number of workers nor a restart changes a pixel.

    Args:
        manifest: the photos.
        preprocess: crops and resizes them for the network.
        augment: a transform of uint8 [C,H,W], or None.
        cached: the decoded pixels, uint8 [N,C,H,W]; None to decode on access.
    """

    def __init__(
        self,
        manifest: Manifest,
        preprocess: Preprocess,
        augment: v2.Transform | None = None,
        cached: Tensor | None = None,
    ) -> None:
        self.manifest = manifest
        self.labels = manifest.labels
        self.preprocess = preprocess
        self.augment = augment
        self.cached = cached

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, draw: tuple[int, int]) -> Sample:
        row, seed = draw
        try:
            if self.cached is not None:
                pixels = self.cached[row]
            else:
                pixels = self.preprocess.pixels(self.manifest.photo(row))
        except BadImage as bad:
            return bad
        if self.augment is not None:
            with _seeded(seed):
                pixels = self.augment(pixels)
        return pixels, int(self.labels[row]), row


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator, and restore its state on leaving.

    ``torch.random.fork_rng`` does this for every device, but takes fifty times as long.
    """
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack the readable samples into a batch, and list the broken ones."""
    good = [s for s in samples if not isinstance(s, BadImage)]
    bad = [s for s in samples if isinstance(s, BadImage)]
    if not good:
        return Batch(torch.empty(0, dtype=torch.uint8), torch.empty(0, dtype=torch.int64), bad)
    pixels, labels, rows = zip(*good, strict=True)
    # In a worker process, default_collate stacks directly into shared memory.
    stacked: Tensor = default_collate(list(pixels))
    return Batch(stacked, torch.tensor(labels, dtype=torch.int64), bad, list(rows))


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
