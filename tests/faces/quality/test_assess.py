"""Signals and reasons: against another program, on damaged drawings, and on real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.ndimage import convolve, gaussian_filter

from likewise.errors import InputError
from likewise.faces.alignment.templates import template_named
from likewise.faces.finder import FaceFinder
from likewise.faces.quality.assess import assess
from likewise.faces.quality.sharpness import contrast_of, sharpness_of
from likewise.models.zoo.weights import find_weights
from tests.faces.quality.test_pose import seen

POINTS = template_named("arcface").at(112).astype(np.float32)


def textured(side: int = 112) -> np.ndarray:
    """A crop with detail of all sizes, as a photo has."""
    random = np.random.default_rng(0)
    layers = [
        gaussian_filter(random.normal(size=(side, side)), s) * s**1.7 for s in (1, 2, 4, 8, 16)
    ]
    grey = sum(layers)
    grey = 128 + 42 * (grey - grey.mean()) / grey.std()
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def reasons(
    points: np.ndarray = POINTS, crop: np.ndarray | None = None, **scores: float
) -> list[str]:
    """The first words of the reasons."""
    given = {"landmark_score": 0.999, "score": 0.92, "turn": 0.0} | scores
    found = assess(points, textured() if crop is None else crop, **given)[1]
    return [reason.split(":")[0] for reason in found]


def test_sharpness_is_the_least_of_four_directions() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    grey = np.asarray(Image.fromarray(crop).convert("L"), float)[14:98, 14:98]
    found = []
    for row, column, by in ((0, 1, 1), (1, 0, 1), (1, 1, 2), (1, -1, 2)):
        kernel = np.zeros((3, 3))
        kernel[1, 1] = -2
        kernel[1 + row, 1 + column] = kernel[1 - row, 1 - column] = 1
        found.append(convolve(grey, kernel)[1:-1, 1:-1].var() / by / grey.var())
    assert sharpness_of(crop) == pytest.approx(min(found))
    assert contrast_of(crop) == pytest.approx(grey.std())
    assert sharpness_of(np.full((112, 112, 3), 7, np.uint8)) == 0


def test_sharpness_does_not_depend_on_light() -> None:
    crop = textured()
    darker = (crop // 2 + 20).astype(np.uint8)
    assert sharpness_of(darker) == pytest.approx(sharpness_of(crop), rel=0.2)


def test_each_fault_gets_its_reason_and_a_good_face_none() -> None:
    crop = textured()
    assert reasons() == []
    assert reasons(POINTS / 4) == ["small"]
    blurred = np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(4)))
    assert reasons(crop=blurred) == ["blurred"]
    moved = np.mean([np.roll(crop, n, axis=1).astype(float) for n in range(15)], axis=0)
    assert reasons(crop=moved.astype(np.uint8)) == ["blurred"]
    noise = np.random.default_rng(0).normal(0, 40, crop.shape)
    assert reasons(crop=np.clip(crop + noise, 0, 255).astype(np.uint8)) == ["noisy"]
    assert reasons(crop=(crop // 12).astype(np.uint8)) == ["hardly any contrast"]
    assert reasons(landmark_score=0.41) == ["landmarks uncertain"]
    for angles, words in (
        ((35, 0, 0), "turned to the side"),
        ((-35, 0, 50), "turned to the side"),
        ((0, 35, 0), "turned down"),
        ((5, -35, 0), "turned up"),
    ):
        assert reasons(35 * seen(*angles) + 56) == [words]
    assert reasons(35 * seen(20, -20, 90) + 56) == []


@pytest.mark.parametrize("turn", [30, 90, 180, -135])
def test_a_turn_in_the_picture_is_no_fault(turn: int) -> None:
    angle = np.radians(turn)
    matrix = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    assert reasons(POINTS @ matrix, turn=float(turn)) == []


def test_reasons_carry_their_numbers_and_signals_are_plain_floats() -> None:
    signals, found = assess(POINTS / 4, textured(), np.float32(0.411), np.float32(0.9), 12.0)
    assert found == ("small: 9 px between the eyes", "landmarks uncertain: 0.41")
    assert all(type(value) is float for value in signals.values())
    assert set(signals) == {
        "eye_distance", "sharpness", "contrast", "yaw", "pitch", "landmark_score", "score", "turn",
    }  # fmt: skip


def test_what_is_no_face_is_refused() -> None:
    for points in (POINTS[:4], np.full((5, 2), np.nan)):
        with pytest.raises(InputError, match="five finite points"):
            assess(points, textured(), 0.9, 0.9, 0.0)
    for crop in (np.zeros((112, 112), np.uint8), np.zeros((112, 112, 3), np.float32)):
        with pytest.raises(InputError, match=r"crop: .*; must be uint8 \[S,S,3\]"):
            assess(np.zeros((5, 2), np.float32), crop, 0.99, 0.9, 0.0)


def test_a_landmark_score_that_is_no_number_is_uncertain() -> None:
    points, crop = np.zeros((5, 2), np.float32), np.zeros((112, 112, 3), np.uint8)
    assert "landmarks uncertain: nan" in assess(points, crop, float("nan"), 0.9, 0.0)[1]


def test_faces_of_lfw_and_damaged_copies(shared_data: Path) -> None:
    if find_weights("yunet") is None or find_weights("onet") is None:
        pytest.skip("needs the extra faces")
    finder = FaceFinder()
    files = sorted((shared_data / "lfw" / "raw_sample").rglob("*.jpg"))[::6]
    photos = [Image.open(file).convert("RGB") for file in files]
    first = [finder.find(photo)[0] for photo in photos]
    assert sum(not face.reasons for face in first) >= 0.9 * len(first)
    mirrored = [
        finder.find(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT))[0] for photo in photos
    ]
    sides = [[face.signals["yaw"] for face in faces] for faces in (first, mirrored)]
    assert np.corrcoef(*sides)[0, 1] < -0.9
    hazy = [finder.find(photo.filter(ImageFilter.GaussianBlur(3))) for photo in photos]
    told = [any(r.startswith("blurred") for r in faces[0].reasons) for faces in hazy if faces]
    assert np.mean(told) >= 0.9
    tiny = [finder.find(photo.resize((62, 62), Image.Resampling.BOX)) for photo in photos]
    told = [any(r.startswith("small") for r in faces[0].reasons) for faces in tiny if faces]
    assert np.mean(told) >= 0.9
