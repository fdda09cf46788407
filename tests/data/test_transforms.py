"""Augmentation changes pixels, keeps their form, and depends on its seed alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from likewise.data.formats import read_manifest
from likewise.data.photos import Photos
from likewise.data.preprocess import Preprocess
from likewise.data.transforms import Augment

STEPS: dict[str, dict[str, object]] = {
    "flip": {"flip": 1.0},
    "crop": {"crop": {"p": 1}},
    "geometry": {"geometry": {"p": 1, "perspective": 0.1, "elastic": 0.03, "aspect": 0.05}},
    "color": {"color": {"p": 1, "hue": 0.1}},
    "grey": {"color": {"p": 1, "grey": 1}},
    "light": {"light": {"p": 1}},
    "blur": {"blur": {"p": 1, "sigma": 2}},
    "erase": {"erase": {"p": 1}},
}
NONE: dict[str, object] = {"flip": 0, "geometry": {"p": 0}, "color": {"p": 0}}


ALL = {k: v for step in STEPS.values() for k, v in step.items()}
HALF: dict[str, object] = {
    "flip": 0.5,
    "crop": {"p": 0.5},
    "geometry": {"p": 0.5, "perspective": 0.1, "elastic": 0.03, "aspect": 0.05},
    "color": {"p": 0.5, "hue": 0.1, "grey": 0.3},
    "light": {"p": 0.5},
    "blur": {"p": 0.5, "sigma": 2},
    "erase": {"p": 0.5},
}


def random_photos(count: int, channels: int, height: int = 33, width: int = 28) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    size = (count, channels, height, width)
    return torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("step", STEPS)
def test_each_step_changes_the_pixels_and_keeps_their_form(step: str, channels: int) -> None:
    pixels, seeds = random_photos(20, channels), torch.arange(20)
    before = pixels.clone()
    augment = Augment.model_validate({**NONE, **STEPS[step]})
    changed = augment.batch_transform(channels=channels)(pixels, seeds)
    assert (changed.shape, changed.dtype) == (pixels.shape, torch.uint8)
    assert torch.equal(pixels, before)
    if not (step == "grey" and channels == 1):
        assert (changed != pixels).flatten(1).any(1).sum() > 15  # a faint one may change nothing


def test_no_augmentation_is_none() -> None:
    pixels = random_photos(4, 3)
    transform = Augment.model_validate(NONE).batch_transform(channels=3)
    assert torch.equal(transform(pixels, torch.arange(4)), pixels)
    assert transform(pixels[:0], torch.arange(0)).shape == (0, 3, 33, 28)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augment", [HALF, {}, {"geometry": {"p": 1}, "light": {"p": 1}}])
def test_every_partition_of_the_draws_gives_the_same_pixels(
    augment: dict[str, object], channels: int
) -> None:
    transform = Augment.model_validate(augment).batch_transform(channels=channels)
    pixels = random_photos(90, channels)
    seeds = torch.from_numpy(np.random.default_rng(1).integers(2**62, size=90))
    together = transform(pixels, seeds)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(2))
    threads = torch.get_num_threads()
    try:
        for size, count in ((1, 1), (1, 2), (7, 1), (64, 2), (90, 2)):
            torch.set_num_threads(count)
            parts = [transform(pixels[rows], seeds[rows]) for rows in order.split(size)]
            assert torch.equal(torch.cat(parts), together[order]), (size, count)
    finally:
        torch.set_num_threads(threads)


def test_large_photos_do_not_depend_on_the_threads_either() -> None:
    """Torch splits the work on a tensor among threads from 32,768 numbers on."""
    transform = Augment.model_validate(ALL).batch_transform(channels=3)
    pixels, threads = random_photos(3, 3, 150, 131), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = transform(pixels, torch.arange(3))
        torch.set_num_threads(3)
        assert torch.equal(transform(pixels, torch.arange(3)), one)
        assert torch.equal(transform(pixels[1:2], torch.arange(1, 2)), one[1:2])
    finally:
        torch.set_num_threads(threads)


def test_a_photo_that_is_not_moved_is_not_resampled() -> None:
    pixels, seeds = random_photos(400, 3, 8, 8), torch.arange(400)
    augment = Augment.model_validate({**NONE, "flip": 0.5, "geometry": {"p": 0.25}})
    after = augment.batch_transform(channels=3)(pixels, seeds)
    same = (after == pixels).flatten(1).all(1)
    flipped = (after == pixels.flip(-1)).flatten(1).all(1)
    for share in (same, flipped):  # half of three quarters each
        assert abs(float(share.float().mean()) - 0.375) < 0.08


def test_the_steps_follow_the_order_of_the_keys() -> None:
    """Against one step after another, each of which rounds: a few levels may differ."""
    smooth = torch.nn.functional.interpolate(
        random_photos(40, 3, 4, 4) * 0.3 + 90.0, (30, 30), mode="bicubic"
    )
    pixels, seeds = smooth.round().to(torch.uint8), torch.arange(40)
    steps: list[dict[str, object]] = [
        {"geometry": {"p": 0.5, "degrees": 10}},
        {"color": {"p": 0.5, "hue": 0.02}},
        {"light": {"p": 0.5}},
        {"blur": {"p": 0.5}},
        {"erase": {"p": 0.5}},
    ]
    together = {key: value for step in steps for key, value in step.items()}
    at_once = Augment.model_validate({"flip": 0, **together}).batch_transform(channels=3)
    after = pixels
    for step in steps:
        one = Augment.model_validate({**NONE, **step}).batch_transform(channels=3)
        after = one(after, seeds)
    assert (at_once(pixels, seeds).int() - after.int()).abs().max() <= 4


def test_the_seed_alone_decides(photos: Path) -> None:
    manifest, preprocess = read_manifest(photos), Preprocess(32, 32)
    transform = Augment.model_validate(HALF).batch_transform(channels=3)
    dataset = Photos(manifest, preprocess, transform)
    before = torch.get_rng_state()
    first = dataset.batch([(5, 1234)])
    torch.rand(7)
    assert torch.equal(first.pixels, dataset.batch([(5, 1234)]).pixels)
    assert not torch.equal(first.pixels, dataset.batch([(5, 1235)]).pixels)
    assert (first.labels.tolist(), first.rows) == ([1], [5])
    torch.set_rng_state(before)
    dataset[(0, 1)]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("height", "width", "fit"), [(20, 30, "crop"), (30, 20, "pad"), (25, 25, "stretch")]
)
def test_preprocessing_fits_and_normalises(height: int, width: int, fit: str, photos: Path) -> None:
    preprocess = Preprocess(height, width, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), fit=fit)
    pixels = preprocess.pixels(photos / "anna" / "0.png")
    assert pixels.shape == (3, height, width)
    ready = preprocess.normalise(pixels[None])[0].numpy()
    for c, (mean, std) in enumerate(zip((0.4, 0.5, 0.6), (0.2, 0.3, 0.4), strict=True)):
        np.testing.assert_allclose(ready[c], (pixels[c].numpy() / 255 - mean) / std, atol=1e-5)
    bgr = Preprocess(height, width, order="bgr", fit=fit).normalise(pixels[None])
    rgb = Preprocess(height, width, fit=fit).normalise(pixels[None])
    torch.testing.assert_close(bgr, rgb.flip(1))


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Augment.model_validate({"flips": 1})
