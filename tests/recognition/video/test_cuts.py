"""Cuts between real photos are found; pans, flashes and noise are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from likewise.recognition.video.cuts import CutDetector, likeness

Pixels = NDArray[np.uint8]


def is_cut(before: Pixels, after: Pixels) -> bool:
    cuts = CutDetector()
    assert not cuts(before)
    return cuts(after)


@pytest.fixture(scope="module")
def scenes(shared_data: Path) -> list[Pixels]:
    files = [
        *sorted((shared_data / "lfw" / "raw_sample").rglob("*.jpg")),
        *sorted((shared_data / "faces" / "voc_faces").glob("2*.jpg")),
        *sorted((shared_data / "faces" / "wider416").glob("*.jpg")),
    ]
    return [np.asarray(Image.open(file).convert("RGB")) for file in files[::2]]


def test_nine_of_ten_cuts_are_found(scenes: list[Pixels]) -> None:
    order = np.random.default_rng(0).permutation(len(scenes))
    found = [is_cut(scenes[a], scenes[b]) for a, b in zip(order, np.roll(order, 1), strict=True)]
    assert np.mean(found) >= 0.9


def test_a_pan_over_a_seventh_of_the_width_is_no_cut(scenes: list[Pixels]) -> None:
    for scene in scenes:
        height, width = (int(side * 0.6) for side in scene.shape[:2])
        step = int(0.15 * scene.shape[1])
        assert not is_cut(scene[:height, :width], scene[:height, step : step + width])


def test_flash_noise_and_the_same_frame_are_no_cuts(scenes: list[Pixels]) -> None:
    noise = np.random.default_rng(0)
    for scene in scenes[::10]:
        assert not is_cut(scene, scene)
        assert not is_cut(scene, (128 + scene // 2).astype(np.uint8))
        noisy = scene + noise.normal(0, 10, scene.shape)
        assert not is_cut(scene, noisy.clip(0, 255).astype(np.uint8))


def test_likeness_of_plain_pictures() -> None:
    black, grey = np.zeros((72, 128, 3), np.uint8), np.full((72, 128, 3), 100, np.uint8)
    assert likeness(black, black) == (1, 1)
    assert likeness(black, grey) == (0, 1)
