"""Each step gives a photo the same bits in every batch, before rounding hides the last ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from likewise.data.augmentation.blurring import draw_blurring
from likewise.data.augmentation.colors import draw_jitter, mean_grey
from likewise.data.augmentation.lighting import draw_lighting
from likewise.data.augmentation.random_numbers import Draws
from likewise.data.augmentation.resampling import draw_resampling, resample
from likewise.data.augmentation.sections import Blur, Color, Crop, Geometry, Light

COUNT, HEIGHT, WIDTH = 5, 203, 187
Step = Callable[[Tensor, NDArray[np.int64]], Tensor]


def steps() -> dict[str, Step]:
    draws = Draws(np.arange(COUNT))
    geometry = Geometry(p=1, perspective=0.1, elastic=0.03)
    moves = draw_resampling(draws, 0.5, Crop(p=0.5), geometry, HEIGHT, WIDTH)
    jitter = draw_jitter(draws, Color(p=1, hue=0.2), 3)
    light, blur = draw_lighting(draws, Light(p=1)), draw_blurring(draws, Blur(p=1))

    def colored(pixels: Tensor, rows: NDArray[np.int64]) -> Tensor:
        jitter.apply(pixels, rows)
        return pixels

    return {
        "resampling": lambda pixels, rows: resample(pixels, moves.grid(rows, HEIGHT, WIDTH)),
        "mean grey": lambda pixels, _: mean_grey(pixels[:, :1]),
        "colors": colored,
        "lighting": light.apply,
        "blurring": blur.apply,
    }


@pytest.mark.parametrize("name", steps())
def test_alone_and_together_with_any_number_of_threads(name: str) -> None:
    step, threads = steps()[name], torch.get_num_threads()
    pixels = 255 * torch.rand(COUNT, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    try:
        torch.set_num_threads(1)
        together = step(pixels.clone(), np.arange(COUNT))
        for count in (1, 3):
            torch.set_num_threads(count)
            for rows in ([0], [3], [2, 1], [4, 0, 3, 1]):
                part = step(pixels[rows], np.array(rows))
                assert torch.equal(part, together[rows]), (count, rows)
    finally:
        torch.set_num_threads(threads)
