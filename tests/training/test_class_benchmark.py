"""The sides of the benchmark of class weights compute what they claim."""

from __future__ import annotations

import json
from typing import get_args

import pytest
import torch
from benchmarks.classes import mapped, scale, sides

from likewise.losses import ArcFace


def test_partial_fc_with_every_class_is_arcface() -> None:
    torch.manual_seed(0)
    restated = sides.PartialFC(50, 8, sample=1.0)
    ours = ArcFace(50, 8, margin=sides.MARGIN, scale=sides.SCALE)
    ours.load_state_dict(restated.state_dict())
    z, y = torch.randn(20, 8), torch.randint(50, (20,))
    z[:20] += 30 * restated.weight[y].detach()  # near enough that θ + m stays below π
    torch.testing.assert_close(restated(z, y), ours(z, y), rtol=1e-4, atol=1e-4)
    some = sides.PartialFC(50, 8, sample=0.5)
    some(z, y).backward()
    assert int(some.weight.grad.any(dim=1).sum()) == 25


@pytest.mark.parametrize("name", get_args(sides.Side))
def test_every_side_takes_steps(name: sides.Side) -> None:
    step = sides.side(name, 2000, 8)
    step()
    step()


def test_sides_in_processes_of_their_own() -> None:
    times, held = json.loads(
        scale.measured(
            "[scale.times(2000, 8, 1, ('full', 'sampled')), sides.measured_bytes(2000, 8, 'row')]"
        )
    )
    assert times["sampled"] > 0
    assert held["gradient"] == pytest.approx(0.1 * (32 + 8) / 32)
    assert held["moments"] == pytest.approx(1 / 8)


def test_steps_over_mapped_classes() -> None:
    found = mapped.in_temporary_folder(3000, 8, 2, 0.1)
    assert found["weights_gib"] == pytest.approx(3000 * 32 / 2**30)
    assert found["anonymous_gib"] > 0  # of this whole process, whatever ran in it before
