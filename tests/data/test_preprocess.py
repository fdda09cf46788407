"""The preprocessing as plain values: what is stored with a model stays as it was."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.fingerprint import fingerprint_of
from tests.conftest import draw_person

# As models have it that were saved before there was an alignment.
STORED = {
    "height": 112, "width": 112, "channels": 3, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
    "fit": "crop", "order": "rgb",
}  # fmt: skip


def test_without_an_alignment_the_stored_values_are_those_of_earlier_versions() -> None:
    assert json.loads(json.dumps(Preprocess().to_dict())) == STORED
    assert Preprocess.from_dict(STORED) == Preprocess()


def test_without_an_alignment_the_fingerprint_is_that_of_earlier_versions() -> None:
    weights = {"weight": torch.arange(4.0)}
    assert fingerprint_of(weights, Preprocess()) == "fd8af99a2d1741fd"
    assert fingerprint_of(weights, Preprocess(alignment="arcface")) != "fd8af99a2d1741fd"


def test_an_alignment_is_stored_and_read_back() -> None:
    aligned = Preprocess(alignment="arcface")
    assert aligned.to_dict() == {**Preprocess().to_dict(), "alignment": "arcface"}
    assert Preprocess.from_dict(json.loads(json.dumps(aligned.to_dict()))) == aligned


@pytest.mark.parametrize("name", ["", "Arc Face", "../x", 3, "a" * 41])
def test_an_alignment_that_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(InputError, match="alignment: must be the name of a template"):
        Preprocess.from_dict({**STORED, "alignment": name})


def test_interpolation_and_crop_are_stored_where_they_are_not_the_defaults() -> None:
    used = Preprocess(interpolation="bicubic", crop=0.875)
    assert used.to_dict() == {**Preprocess().to_dict(), "interpolation": "bicubic", "crop": 0.875}
    assert Preprocess.from_dict(json.loads(json.dumps(used.to_dict()))) == used


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_the_crop_keeps_the_middle_of_the_photo(fit: str) -> None:
    # A frame around a photo of 80×120 is cut off by a crop of 0.8: 8 and 12 pixels on each side.
    inside = np.asarray(draw_person(0, 0).resize((96, 64)))
    framed = np.zeros((80, 120, 3), np.uint8)
    framed[8:-8, 12:-12] = inside
    whole, cut = (Preprocess(32, 32, fit=fit, crop=crop) for crop in (1.0, 0.8))
    difference = (cut.pixels(framed).int() - whole.pixels(inside).int()).abs().float()
    assert float(difference.mean()) < 2


@pytest.mark.parametrize(
    ("name", "method"),
    [("bicubic", Image.Resampling.BICUBIC), ("lanczos", Image.Resampling.LANCZOS)],
)
def test_photos_are_resized_by_the_interpolation(name: str, method: Image.Resampling) -> None:
    photo = draw_person(0, 0)
    used = Preprocess(24, 32, fit="stretch", interpolation=name)
    assert np.array_equal(np.asarray(used.image(photo)), np.asarray(photo.resize((32, 24), method)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"interpolation": "cubic"}, "interpolation"),
        ({"crop": 0}, "crop"),
        ({"crop": 1.5}, "crop"),
        ({"crop": 0.9, "fit": "pad"}, "crop: has no use with fit=pad"),
    ],
)
def test_a_wrong_interpolation_or_crop_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocess(**values)


def test_a_mean_for_pixels_up_to_255_is_refused() -> None:
    with pytest.raises(InputError, match=r"mean: \[123.0, 117.0, 104.0\]; pixels are from 0 to 1"):
        Preprocess(32, 32, mean=(123, 117, 104), std=(58, 57, 57))
