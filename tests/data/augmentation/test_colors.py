"""Colors, light and blur against the functions of torchvision, photo by photo."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from likewise.data.augmentation.blurring import draw_blurring
from likewise.data.augmentation.colors import Jitter, draw_jitter, shift_hue, to_grey
from likewise.data.augmentation.lighting import draw_lighting
from likewise.data.augmentation.random_numbers import Draws
from likewise.data.augmentation.sections import Blur, Color, Light

COUNT = 6
ROWS = np.arange(COUNT)


def photos(low: float = 0, high: float = 255, channels: int = 3) -> Tensor:
    numbers = torch.rand(COUNT, channels, 14, 11, generator=torch.Generator().manual_seed(1))
    return low + (high - low) * numbers


def drawn(**largest: float) -> Jitter:
    """Only what is named changes."""
    color = Color(p=1, **{"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, **largest})
    return draw_jitter(Draws(ROWS), color, 3)


@pytest.mark.parametrize("step", ["brightness", "contrast", "saturation", "hue"])
def test_each_step_is_torchvisions(step: str) -> None:
    jitter = drawn(**{step: 0.5})
    factors = getattr(jitter, step)
    function = getattr(tv, f"adjust_{step}")
    before, after = photos(), photos()
    jitter.apply(after, ROWS)
    for row in ROWS:
        expected = 255 * function(before[row] / 255, float(factors[row]))
        torch.testing.assert_close(after[row].clamp(0, 255), expected, atol=0.05, rtol=0)


def test_all_steps_at_once_are_torchvisions_one_after_another() -> None:
    """In the range where nothing is clipped between them."""
    jitter = drawn(brightness=0.2, contrast=0.3, saturation=0.4, hue=0.1)
    before, after = photos(100, 150), photos(100, 150)
    jitter.apply(after, ROWS)
    for row in ROWS:
        photo = before[row] / 255
        for step in ("brightness", "contrast", "saturation", "hue"):
            photo = getattr(tv, f"adjust_{step}")(photo, float(getattr(jitter, step)[row]))
        torch.testing.assert_close(after[row], 255 * photo, atol=0.1, rtol=0)


def test_one_channel_is_its_own_grey() -> None:
    jitter = draw_jitter(Draws(ROWS), Color(p=1, brightness=0.1, contrast=0.3, hue=0.5), 1)
    assert jitter.hue is jitter.saturation is None
    before, after = photos(80, 170, 1), photos(80, 170, 1)
    jitter.apply(after, ROWS)
    for row in ROWS:
        photo = tv.adjust_brightness(before[row] / 255, float(jitter.brightness[row]))
        expected = 255 * tv.adjust_contrast(photo, float(jitter.contrast[row]))
        torch.testing.assert_close(after[row], expected, atol=0.05, rtol=0)


def test_hue_of_every_color_and_of_grey() -> None:
    levels = torch.tensor([0.0, 64, 128, 255])
    colors = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 8, 8)
    for turns in (-0.5, -0.2, 0.0, 1 / 3, 0.5):
        after = colors.clone()
        shift_hue(after, torch.full((1, 1, 1), turns))
        expected = 255 * tv.adjust_hue(colors / 255, turns)
        torch.testing.assert_close(after, expected, atol=0.05, rtol=0)


def test_grey_is_torchvisions() -> None:
    grey = to_grey(photos())
    torch.testing.assert_close(grey, tv.rgb_to_grayscale(photos()), atol=0.01, rtol=0)


def test_factors_fill_their_ranges() -> None:
    jitter = draw_jitter(Draws(np.arange(4000)), Color(p=0.3, hue=0.1, grey=0.2), 3)
    assert jitter.saturation is not None
    assert jitter.hue is not None
    ranges = [(jitter.brightness, 0.8, 1.2), (jitter.contrast, 0.8, 1.2),
              (jitter.saturation, 0.9, 1.1), (jitter.hue, -0.1, 0.1)]  # fmt: skip
    for numbers, low, high in ranges:
        assert low <= numbers.min() < low + 0.01
        assert high - 0.01 < numbers.max() <= high
    assert abs(jitter.changed.mean() - 0.3) < 0.03
    assert abs(jitter.grey.mean() - 0.2) < 0.03


def test_light_is_a_power_times_a_smooth_factor() -> None:
    lighting = draw_lighting(Draws(ROWS), Light(p=1, gamma=1, shade=1))
    before = photos().round()
    before[0, 0, 0] = 0
    after = lighting.apply(before.clone(), ROWS)
    for row in ROWS:
        coarse = torch.from_numpy(lighting.shade[row : row + 1])
        field = F.interpolate(coarse, (14, 11), mode="bicubic", align_corners=True)[0].exp()
        expected = 255 * (before[row].double() / 255).pow(float(lighting.gamma[row])) * field
        torch.testing.assert_close(after[row].double(), expected, atol=1e-3, rtol=1e-4)
    assert not after[0, 0, 0].any()


def test_blur_is_torchvisions() -> None:
    blurring = draw_blurring(Draws(ROWS), Blur(p=1, sigma=3))
    assert (np.diff(np.sort(blurring.sigma)) > 0).all()
    after = blurring.apply(photos(), ROWS)
    for row in ROWS:
        sigma = float(blurring.sigma[row])
        expected = tv.gaussian_blur(photos()[row], [5, 5], [sigma, sigma])
        torch.testing.assert_close(after[row], expected, atol=0.01, rtol=0)


def test_blur_stays_within_its_range() -> None:
    assert draw_blurring(Draws(ROWS), Blur(p=1, sigma=0.01)).sigma.tolist() == [0.1] * COUNT
    sigma = draw_blurring(Draws(np.arange(2000)), Blur(p=1, sigma=2)).sigma
    assert math.isclose(sigma.min(), 0.1, abs_tol=0.01)
    assert math.isclose(sigma.max(), 2, abs_tol=0.01)
