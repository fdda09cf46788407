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

STEPS = {
    "flip": {"flip": 1.0},
    "crop": {"crop": {"p": 1}},
    "geometry": {"geometry": {"p": 1, "perspective": 0.1, "elastic": 0.03, "aspect": 0.05}},
    "color": {"color": {"p": 1, "hue": 0.1}},
    "grey": {"color": {"p": 1, "grey": 1}},
    "light": {"light": {"p": 1}},
    "blur": {"blur": {"p": 1, "sigma": 2}},
    "erase": {"erase": {"p": 1}},
}
NONE = {"flip": 0, "geometry": {"p": 0}, "color": {"p": 0}}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("step", STEPS)
def test_each_step_changes_the_pixels_and_keeps_their_form(step: str, channels: int) -> None:
    pixels = torch.randint(0, 255, (channels, 33, 28), dtype=torch.uint8)
    transform = Augment.model_validate({**NONE, **STEPS[step]}).transform(channels=channels)
    draws = [transform(pixels) for _ in range(20)]  # a faint one may change nothing
    assert {(d.shape, d.dtype) for d in draws} == {(pixels.shape, torch.uint8)}
    if not (step == "grey" and channels == 1):
        assert any(not torch.equal(changed, pixels) for changed in draws)


def test_no_augmentation_is_none() -> None:
    pixels = torch.randint(0, 255, (3, 20, 20), dtype=torch.uint8)
    assert torch.equal(Augment.model_validate(NONE).transform(channels=3)(pixels), pixels)


def test_a_pure_shift_moves_the_pixels() -> None:
    """Against plain indexing: half a side to the right, the border drawn out."""
    pixels = torch.arange(16, dtype=torch.uint8).repeat(16, 1)[None] * 16
    step = {"p": 1, "degrees": 0, "zoom": 0, "translate": 0.5}
    move = Augment.model_validate({**NONE, "geometry": step}).transform(channels=1)
    torch.manual_seed(0)
    moved = move(pixels)
    torch.manual_seed(0)
    torch.rand(())  # whether the step is taken at all
    turn, zoom, aspect, across = (float(2 * torch.rand(()) - 1) for _ in range(4))
    assert (turn, zoom, aspect) is not None
    where = (torch.arange(16) + across * 0.5 * 16).clamp(0, 15)
    expected = where * 16
    assert (moved[0, 8].float() - expected).abs().max() <= 1


def test_the_seed_alone_decides(photos: Path) -> None:
    manifest, preprocess = read_manifest(photos), Preprocess(32, 32)
    augment = Augment.model_validate({k: v for s in STEPS.values() for k, v in s.items()})
    dataset = Photos(manifest, preprocess, augment.transform(channels=3))
    before = torch.get_rng_state()
    first, label, row = dataset[(5, 1234)]
    torch.rand(7)
    second, *_ = dataset[(5, 1234)]
    assert torch.equal(first, second)
    assert not torch.equal(first, dataset[(5, 1235)][0])
    assert (label, row) == (1, 5)
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
