"""The preprocessing as plain values: what is stored with a model stays as it was."""

from __future__ import annotations

import json

import pytest
import torch

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.fingerprint import fingerprint_of

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
