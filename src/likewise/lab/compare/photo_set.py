"""The photos of a comparison, decoded once, with a fixed set of augmented views."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.photos import Batch, Photos, keep_readable
from likewise.data.sampler import EpochSampler
from likewise.errors import InputError
from likewise.progress import progress
from likewise.training.recipe.recipe import Recipe

__all__ = ["VIEWS", "PhotoSet", "ViewBatches", "read_photo_set"]

VIEWS = 16  # of each photo
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class PhotoSet:
    """Photos in memory: first the training photos, then those of a fixed test set, if any.

    Args:
        labels: int64 [N], the identities of both sets numbered together.
        pixels: uint8 [N,C,H,W].
        views: uint8 [M,V,C,H,W]: V augmented views of each of the first M photos, for training.
        training: the manifest of the first M.
        bad: photos that could not be read.
    """

    labels: Rows
    pixels: Tensor
    views: Tensor
    training: Manifest
    bad: list[BadImage]


def read_photo_set(training: Manifest, unseen: Manifest | None, recipe: Recipe) -> PhotoSet:
    """Decode all photos, and compute the augmented views of the training photos.

    Augmentation for each run would take longer than the training of a small network. Instead,
    all runs sample from the same views, so they also see the same pixels.

    Raises:
        InputError: the pixels do not fit into ``data.keep_mib``.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
    """
    preprocess = recipe.input.preprocess()
    keep = recipe.data.keep_mib * 2**20
    transform = recipe.augment.batch_transform(channels=preprocess.channels)
    total = len(training) + (0 if unseen is None else len(unseen))
    each = preprocess.channels * preprocess.height * preprocess.width
    if (total + VIEWS * len(training)) * each > keep:
        needed = -(-(total + VIEWS * len(training)) * each // 2**20)
        raise InputError(
            f"the photos and their views take {needed:,} MiB; raise data.keep_mib with --set, or "
            "limit the identities with --identities, or reduce input.height and input.width"
        )
    sets = [training] if unseen is None else [training, unseen]
    read = [
        keep_readable(part, preprocess, on_bad_image=recipe.data.on_bad_image, keep_bytes=keep)
        for part in sets
    ]
    kept = [part.manifest for part in read]
    pixels = [part.pixels for part in read if part.pixels is not None]
    labels = np.concatenate([
        kept[0].labels,
        *(part.labels + len(kept[0].identities) for part in kept[1:]),
    ])  # fmt: skip
    source = Photos(kept[0], preprocess, transform, pixels[0])
    views = torch.empty(len(kept[0]), VIEWS, *pixels[0].shape[1:], dtype=torch.uint8)
    with progress("augmenting", VIEWS * len(kept[0])) as advance:
        for row in range(len(kept[0])):
            views[row] = source.batch([(row, VIEWS * row + view) for view in range(VIEWS)]).pixels
            advance(VIEWS)
    bad = [image for part in read for image in part.bad.values()]
    return PhotoSet(labels, torch.cat(pixels), views, kept[0], bad)


class ViewBatches:
    """A loader of augmented views from memory.

    Args:
        photos: all photos.
        rows: int64 [n], the training photos.
        labels: int64 [n], their classes, from 0.
        sampler: samples batches of the n photos.
    """

    def __init__(self, photos: PhotoSet, rows: Rows, labels: Rows, sampler: EpochSampler) -> None:
        self.views = photos.views
        self.rows = torch.from_numpy(rows)
        self.labels = torch.from_numpy(labels)
        self.sampler = sampler

    def __iter__(self) -> Iterator[Batch]:
        for draws in self.sampler:
            places, seeds = torch.tensor(draws, dtype=torch.int64).T
            pixels = self.views[self.rows[places], seeds % self.views.shape[1]]
            yield Batch(pixels, self.labels[places], [])
