"""What is decided about a point, against the distances to weights that were placed by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from likewise.lab.figures.decision import (
    UNSURE,
    centres,
    class_points,
    classifier,
    decide,
    decide_with_margin,
)
from likewise.losses import Center, Softmax, Sum, Triplet, create_loss


def on_circle(*degrees: float) -> torch.Tensor:
    angles = torch.tensor(degrees).double().deg2rad()
    return torch.stack((angles.cos(), angles.sin()), dim=1)


def quartered(name: str, **params: Any) -> Any:
    """Four classes, at 0°, 90°, 180° and 270°."""
    loss = create_loss(name, num_classes=4, embedding_dim=2, **params)
    loss.weight.data = on_circle(0, 90, 180, 270).float()
    return loss


def test_a_margin_leaves_a_gap_of_its_own_size() -> None:
    loss = quartered("arcface", margin=math.radians(20))
    points = on_circle(0, 34, 36, 44, 46, 54, 56, 90)
    assert decide(loss, points).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert decide_with_margin(loss, points).tolist() == [0, 0, -1, -1, -1, -1, 1, 1]
    assert decide_with_margin(loss, 7 * points).tolist() == [0, 0, -1, -1, -1, -1, 1, 1]


def test_without_margin_there_is_no_gap() -> None:
    points = on_circle(*range(1, 45), *range(46, 360, 7))
    for name in ("softmax", "normalized_softmax"):
        loss = quartered(name)
        assert (decide(loss, points) == decide_with_margin(loss, points)).all()
        assert UNSURE not in decide_with_margin(loss, points)


def test_longer_weights_win_more_of_the_plane() -> None:
    for name in ("softmax", "lsoftmax"):
        loss = quartered(name)
        loss.weight.data[1] *= 2
        assert decide(loss, on_circle(44, 30, 20)).tolist() == [1, 1, 0]  # tan 26.6° = 1/2


def test_a_class_decided_by_itself_may_be_refused() -> None:
    loss = quartered("uniface", scale=10.0, margin=0.1)
    loss.bias.data.fill_(5.0)  # accepted from cos θ = 0.6 on
    points = on_circle(0, math.degrees(math.acos(0.61)), math.degrees(math.acos(0.59)))
    assert decide_with_margin(loss, points).tolist() == [0, UNSURE, UNSURE]
    loss = quartered("uniface", scale=10.0, margin=0.1)
    loss.bias.data.fill_(8.5)  # now the others are refused long before
    points = on_circle(math.degrees(math.acos(0.96)), math.degrees(math.acos(0.94)))
    assert decide_with_margin(loss, points).tolist() == [0, UNSURE]


def test_the_nearest_subcentre_counts() -> None:
    loss = create_loss("subcenter_arcface", num_classes=2, embedding_dim=2, subcenters=2)
    loss.weight.data = on_circle(0, 180, 90, 270).float()
    assert decide(loss, on_circle(1, 91, 179, 269)).tolist() == [0, 1, 0, 1]


def test_the_parts_of_a_sum_are_found() -> None:
    softmax, center = Softmax(4, 2), Center(num_classes=4, embedding_dim=2)
    loss = Sum(softmax, 0.1 * center)
    assert classifier(loss) is softmax
    assert (centres(loss) == center.centers).all()
    name, weights = class_points(loss) or ("", None)
    assert (name, weights.shape if weights is not None else None) == ("class weights", (4, 2))
    assert classifier(Triplet()) is class_points(Triplet()) is centres(Triplet()) is None
    proxies = class_points(create_loss("proxy_nca", num_classes=4, embedding_dim=2))
    assert proxies is not None
    assert proxies[0] == "proxies"


@pytest.mark.parametrize("name", ["cosface", "sphereface2", "magface", "adaface", "airface"])
def test_what_wins_by_the_margin_wins_without_it(name: str) -> None:
    loss = quartered(name)
    points = 5 * on_circle(*range(0, 360, 3))
    won = decide_with_margin(loss, points)
    sure = won != UNSURE
    assert (won[sure] == decide(loss, points)[sure]).all()
