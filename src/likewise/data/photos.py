"""A manifest's photos as a torch dataset: decoded, kept if they fit, augmented reproducibly."""

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
    """What a loader yields: pixels uint8 [B,C,H,W], labels int64 [B], the broken photos.

    ``rows`` are those of the manifest, one for each image, where the photos come from one.
    """

    pixels: Tensor
    labels: Tensor
    bad: list[BadImage]
    rows: list[int] = field(default_factory=list)

    def pin_memory(self) -> Batch:
        """Page-locked copies, which a GPU fetches without waiting."""
        return Batch(self.pixels.pin_memory(), self.labels.pin_memory(), self.bad, self.rows)


class Photos(torch.utils.data.Dataset[Sample]):
    """The photos of a manifest as uint8 [C,H,W] with their labels and rows.

    Indexed by ``(row, seed)``: the seed alone decides the augmentation, so that neither the
    number of workers nor a restart changes a pixel.

    Args:
        manifest: the photos.
        preprocess: how they become the network's input.
        augment: a transform of uint8 [C,H,W], or None.
        cached: the decoded pixels, uint8 [N,C,H,W], if they are kept in memory.
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
            with _drawn_from(seed):
                pixels = self.augment(pixels)
        return pixels, int(self.labels[row]), row


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """Let the CPU's generator draw from ``seed``, and then go on as if nothing had happened.

    ``torch.random.fork_rng`` does the same for every device, and takes fifty times as long.
    """
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack the samples that could be read; list the others."""
    good = [s for s in samples if not isinstance(s, BadImage)]
    bad = [s for s in samples if isinstance(s, BadImage)]
    if not good:
        return Batch(torch.empty(0, dtype=torch.uint8), torch.empty(0, dtype=torch.int64), bad)
    pixels, labels, rows = zip(*good, strict=True)
    # torch's own: in a worker it stacks straight into the memory that the processes share.
    stacked: Tensor = default_collate(list(pixels))
    return Batch(stacked, torch.tensor(labels, dtype=torch.int64), bad, list(rows))


@dataclass
class Readable:
    """The photos of a manifest that can be read.

    Args:
        manifest: those photos.
        pixels: theirs, uint8 [N,C,H,W]; None if they are read as they are needed.
        bad: the broken ones, by their rows in the manifest that was given.
        rows: where those that can be read stood in it, int64 [N].
    """

    manifest: Manifest
    pixels: Tensor | None
    bad: dict[int, BadImage]
    rows: NDArray[np.int64]

    def without(self, bad: Mapping[int, BadImage]) -> Readable:
        """The same without more photos, named by their rows in the manifest that was given."""
        kept = np.flatnonzero(~np.isin(self.rows, np.fromiter(bad, np.int64, len(bad))))
        merged = {**bad, **self.bad}
        if len(kept) == len(self.rows):
            return replace(self, bad=merged)
        if self.pixels is not None:
            for place, row in enumerate(kept.tolist()):  # in place: there is no room for two
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
    """Decode every photo once, before any training, if their pixels fit into ``keep_bytes``.

    Where they do not fit, nothing is read and nothing left out.

    Args:
        manifest: the photos.
        preprocess: how they become pixels.
        on_bad_image: ``skip`` leaves a broken photo out and logs it, ``refuse`` raises it.
        keep_bytes: the memory that the pixels may take; above it they are read as needed.
        what: the progress bar's text.

    Raises:
        BadImage: the first broken photo, under ``refuse``.
        InputError: not one of the photos is there.
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
