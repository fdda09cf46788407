"""The automatic scale against the posterior that it promises."""

from __future__ import annotations

import math

import pytest
import torch

from likewise.losses import ArcFace, automatic_scale


@pytest.mark.parametrize("classes", [2, 5, 40, 1000])
@pytest.mark.parametrize("posterior", [0.6, 0.9, 0.9999])
def test_the_posterior_at_a_class_centre(classes: int, posterior: float) -> None:
    # Evenly spread centres: the cosine to every other class is -1/(C-1).
    scale = automatic_scale(classes, posterior)
    others = (classes - 1) * math.exp(-scale / (classes - 1))
    assert math.exp(scale) / (math.exp(scale) + others) == pytest.approx(posterior)


def test_auto() -> None:
    assert ArcFace(40, 8, scale="auto").scale == automatic_scale(40)


def test_floor_of_the_loss() -> None:
    # Embeddings on the corners of a regular simplex reach NormFace's bound exactly.
    corners = torch.eye(5, dtype=torch.float64) - 0.2
    loss = ArcFace(5, 5, margin=0.0, scale=10.0).double()
    loss.weight.data = corners
    floor = math.log1p(4 * math.exp(-10 * 5 / 4))
    assert loss(corners, torch.arange(5)).item() == pytest.approx(floor, rel=1e-12)
