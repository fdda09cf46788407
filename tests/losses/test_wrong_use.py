"""Wrong use of the softmax family: one line that names the argument, its value, what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from likewise.errors import InputError
from likewise.losses import automatic_scale, create_loss
from tests.losses.batches import SOFTMAX_FAMILY, batch, double_loss


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("arcfase", {}, "loss: unknown value 'arcfase'; did you mean 'arcface'"),
        ("arcface", {"margn": 1}, "parameter of arcface: .*did you mean 'margin'"),
        ("arcface", {"margin": -0.1}, r"margin: -0\.1; must be a number from 0 to 3.14159"),
        ("arcface", {"margin": 4}, "margin: 4; must be"),
        ("arcface", {"margin": float("nan")}, "margin: nan; must be a number"),
        ("arcface", {"margin": "big"}, "margin: 'big'; must be a number"),
        ("arcface", {"scale": 0}, "scale .*: 0; must be a number above 0"),
        ("arcface", {"scale": "automatic"}, "scale .*'auto'.*: 'automatic'"),
        ("arcface", {"gradient": "exakt"}, "gradient: unknown value 'exakt'; did you mean 'exact'"),
        ("arcface", {"memory_budget": 0}, "memory_budget: 0; must be a whole number of at least 1"),
        ("airface", {"margin": 3.2}, r"margin: 3\.2; must be"),
        ("cosface", {"margin": 2.1}, r"margin: 2\.1; must be a number from 0 to 2"),
        ("sphereface", {"margin": 2.5}, r"margin: 2\.5; must be a whole number of at least 1"),
        ("lsoftmax", {"margin": 0}, "margin: 0; must be a whole number of at least 1"),
        ("lsoftmax", {"gamma": -1}, "gamma: -1; must be"),
        ("combined", {"m1": 0.9}, r"m1: 0\.9; must be a number of at least 1"),
        ("subcenter_arcface", {"subcenters": 0}, "subcenters: 0; must be a whole number"),
        ("adaface", {"rate": 1.5}, r"rate: 1\.5; must be a number from 0 to 1"),
        ("adaface", {"concentration": 0}, "concentration: 0; must be a number above 0"),
        ("magface", {"margin_low": 0.9}, r"margin_high: 0\.8; must be a number from 0\.9"),
        ("magface", {"norm_high": 5}, "norm_high: 5.*; must be a number above 10"),
        ("curricularface", {"rate": -1}, "rate: -1; must be"),
        ("sphereface2", {"positive_weight": 1}, "positive_weight: 1; must be"),
        ("sphereface2", {"exponent": 0.5}, r"exponent: 0\.5; must be a number of at least 1"),
        ("uniface", {"margin": -1}, "margin: -1; must be"),
        ("softmax", {"margin": 0.5}, "parameter of softmax: unknown value 'margin'"),
    ],
)
def test_constructor(name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_loss(name, num_classes=10, embedding_dim=4, **params)


@pytest.mark.parametrize("classes", [0, -3, 2.5, True])
def test_number_of_classes(classes: Any) -> None:
    with pytest.raises(ValueError, match=r"num_classes: .*; must be a whole number of at least 1"):
        create_loss("arcface", num_classes=classes, embedding_dim=4)


MARGINS = {"combined": "m2", "magface": "margin_low"}  # where it has another name
WITH_MARGIN = [n for n in SOFTMAX_FAMILY if n not in {"softmax", "normalized_softmax"}]


@pytest.mark.parametrize("name", WITH_MARGIN)
def test_no_margin_is_negative(name: str) -> None:
    argument = MARGINS.get(name, "margin")
    with pytest.raises(InputError, match=f"{argument}: -1; must be .*(of at least [01]|from 0 to)"):
        create_loss(name, num_classes=10, embedding_dim=4, **{argument: -1})


@pytest.mark.parametrize("name", SOFTMAX_FAMILY)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z, y: (z[:, :3], y), r"embeddings: shape \(6, 3\); must be \[B, 4\]"),
        (lambda z, y: (z[0], y), r"embeddings: shape \(4,\); must be \[B, 4\]"),
        (lambda z, y: (z.long(), y), "embeddings: dtype torch.int64; must be floating point"),
        (lambda z, y: (z.tolist(), y), "embeddings: a list; must be a tensor"),
        (lambda z, y: (z, y[:5]), r"labels: shape \(5,\); must be \[6\]"),
        (lambda z, y: (z, y.float()), "labels: dtype torch.float32; must be torch.int64"),
        (lambda z, y: (z, y.int()), "labels: dtype torch.int32; must be torch.int64"),
        (lambda z, y: (z, y + 5), "labels: .* in row 0; must be from 0 to 4"),
        (lambda z, y: (z, y - 5), "labels: -.* in row 0; must be from 0 to 4"),
        (lambda z, y: (z, y.to("meta")), "labels: on meta; must be on cpu"),
        (lambda z, y: (z.to("meta"), y.to("meta")), "embeddings: on meta; must be on cpu"),
    ],
)
def test_call(name: str, change: Any, message: str) -> None:
    z, y = batch()
    with pytest.raises(ValueError, match=message):
        double_loss(name)(*change(z.detach(), y))


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("name", ["softmax", "arcface"])
def test_margin_fraction(name: str, fraction: float) -> None:
    with pytest.raises(ValueError, match=r"fraction: .*; must be a number from 0 to 1"):
        double_loss(name).set_margin_fraction(fraction)


def test_labels_keep_all_their_bits() -> None:
    # 2^24 and 2^24 + 1 are one number in float32.
    z, _ = batch(rows=2)
    labels = torch.tensor([2**24, 2**24 + 1])
    loss = double_loss("arcface")
    loss.num_classes = 2**24 + 1  # as if so many weights were there
    with pytest.raises(ValueError, match="labels: 16777217 in row 1"):
        loss(z, labels)


@pytest.mark.parametrize(("classes", "posterior"), [(1, 0.9), (10, 0.1), (10, 1.0), (10, 0.0)])
def test_automatic_scale(classes: int, posterior: float) -> None:
    with pytest.raises(ValueError, match=r"num_classes: 1|posterior"):
        automatic_scale(classes, posterior)
