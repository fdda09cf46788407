"""Batches of photos: the same pixels from memory and from files, alone and together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from likewise.data.formats import read_manifest
from likewise.data.images import BadImage
from likewise.data.photos import Batch, Photos, collate
from likewise.data.preprocess import Preprocess
from likewise.data.transforms import Augment

DRAWS = [(3, 11), (0, 12), (3, 13), (7, 14), (1, 15)]
TRANSFORM = Augment.model_validate({"geometry": {"p": 1}}).batch_transform(channels=3)


def dataset(folder: Path, *, cached: bool = False) -> Photos:
    manifest, preprocess = read_manifest(folder), Preprocess(24, 24)
    kept = [preprocess.pixels(photo) for photo in manifest.photos()] if cached else None
    return Photos(manifest, preprocess, TRANSFORM, None if kept is None else torch.stack(kept))


def test_photos_alone_together_cached_and_read_are_the_same(photos: Path) -> None:
    read, kept = dataset(photos).batch(DRAWS), dataset(photos, cached=True).batch(DRAWS)
    assert read.rows == kept.rows == [row for row, _ in DRAWS]
    assert torch.equal(read.pixels, kept.pixels)
    assert read.labels.tolist() == kept.labels.tolist()
    for place, draw in enumerate(DRAWS):
        sample = dataset(photos)[draw]
        assert not isinstance(sample, BadImage)
        pixels, label, row = sample
        assert torch.equal(pixels, read.pixels[place])
        assert (label, row) == (int(read.labels[place]), draw[0])


@pytest.mark.parametrize("cached", [False, True])
def test_the_photos_in_memory_stay_as_they_are(cached: bool, photos: Path) -> None:
    plain = dataset(photos, cached=cached)
    plain.augment = None
    batch = plain.batch(DRAWS)
    batch.pixels.zero_()
    for place, (row, _) in enumerate(DRAWS):
        expected = plain.preprocess.pixels(plain.manifest.photo(row))
        assert torch.equal(plain.batch(DRAWS).pixels[place], expected)


def test_broken_photos_are_left_out_and_listed(photos: Path) -> None:
    whole = dataset(photos).batch(DRAWS)
    (photos / "anna" / "0.png").write_bytes(b"junk")
    broken = dataset(photos)
    batch = broken.batch(DRAWS)
    assert batch.rows == [3, 3, 7, 1]
    assert torch.equal(batch.pixels, whole.pixels[[0, 2, 3, 4]])
    assert batch.labels.tolist() == whole.labels[[0, 2, 3, 4]].tolist()
    assert [isinstance(bad, BadImage) for bad in batch.bad] == [True]
    assert isinstance(broken[(0, 1)], BadImage)
    nothing = broken.batch([(0, 1)])
    assert (nothing.pixels.shape, len(nothing.labels), nothing.rows) == ((0, 3, 24, 24), 0, [])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_gives_whole_batches(workers: int, photos: Path) -> None:
    source = dataset(photos, cached=True)
    loader = torch.utils.data.DataLoader(
        source, batch_sampler=[DRAWS[:2], DRAWS[2:]], collate_fn=collate, num_workers=workers
    )
    for batch, draws in zip(loader, (DRAWS[:2], DRAWS[2:]), strict=True):
        assert isinstance(batch, Batch)
        assert torch.equal(batch.pixels, source.batch(draws).pixels)
        assert batch.rows == [row for row, _ in draws]
