"""Boundaries and curves, found by asking the losses, against the closed forms of the papers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from likewise.errors import InputError
from likewise.lab.figures.boundary import other_curve, own_boundary, target_curve
from likewise.lab.figures.draw_boundary import draw_boundary
from likewise.lab.figures.settings import boundary_of
from likewise.losses import create_loss
from likewise.losses.registry import softmax_family

ANGLES = np.linspace(0.01, 1.5, 40)


def head(name: str, **params: Any) -> Any:
    return create_loss(name, num_classes=8, embedding_dim=2, **params)


def nan_above(value: np.ndarray, most: float) -> np.ndarray:
    return np.where(value <= most, value, np.nan)


@pytest.mark.parametrize("m", [0.0, 0.2, 0.5])
def test_arcface_adds_to_the_angle(m: float) -> None:
    found = own_boundary(head("arcface", margin=m), ANGLES)
    np.testing.assert_allclose(found, ANGLES + m, atol=1e-9)


@pytest.mark.parametrize("m", [0.0, 0.2, 0.35])
def test_cosface_takes_off_the_cosine(m: float) -> None:
    found = own_boundary(head("cosface", margin=m), ANGLES)
    np.testing.assert_allclose(np.cos(found), np.cos(ANGLES) - m, atol=1e-7)


def test_airface_adds_to_the_angle() -> None:
    loss = head("airface", margin=0.3)
    np.testing.assert_allclose(own_boundary(loss, ANGLES), ANGLES + 0.3, atol=1e-7)
    np.testing.assert_allclose(target_curve(loss, ANGLES), 1 - 2 * (ANGLES + 0.3) / math.pi)
    np.testing.assert_allclose(other_curve(loss, ANGLES), 1 - 2 * ANGLES / math.pi)


@pytest.mark.parametrize("name", ["sphereface", "lsoftmax"])
def test_sphereface_multiplies_the_angle(name: str) -> None:
    loss = head(name, margin=2, base=0.0, minimum=0.0)
    found = own_boundary(loss, ANGLES)
    np.testing.assert_allclose(found, nan_above(2 * ANGLES, math.pi), atol=1e-7)


def test_the_blend_of_sphereface() -> None:
    found = target_curve(head("sphereface", margin=2, base=5.0, minimum=5.0), ANGLES)
    np.testing.assert_allclose(found, (5 * np.cos(ANGLES) + np.cos(2 * ANGLES)) / 6, atol=1e-6)


@pytest.mark.parametrize("name", ["softmax", "normalized_softmax"])
def test_without_margin_the_nearer_class_wins(name: str) -> None:
    np.testing.assert_allclose(own_boundary(head(name), ANGLES), ANGLES, atol=1e-7)


def test_the_combined_margin() -> None:
    found = own_boundary(head("combined", m1=1.1, m2=0.1, m3=0.1), ANGLES)
    expected = np.cos(1.1 * ANGLES + 0.1) - 0.1
    np.testing.assert_allclose(np.cos(found), expected, atol=1e-6)


def test_the_margin_of_magface_follows_the_length() -> None:
    loss = head("magface")
    for norm, m in ((10.0, 0.45), (110.0, 0.8), (1000.0, 0.8)):
        found = own_boundary(loss, ANGLES, norm=norm)
        np.testing.assert_allclose(found, ANGLES + m, atol=1e-6)


def test_uniface_has_one_threshold_for_all() -> None:
    loss = head("uniface", scale=8.0, margin=0.2)
    threshold = math.log(80) / 8
    found = own_boundary(loss, ANGLES)
    accepted = np.cos(ANGLES) - 0.2 >= threshold
    assert 0 < accepted.sum() < len(ANGLES)
    np.testing.assert_allclose(found[accepted], math.acos(threshold), atol=1e-6)
    assert np.isnan(found[~accepted]).all()


def test_a_question_moves_no_state() -> None:
    for name in ("sphereface", "curricularface", "adaface"):
        loss = head(name).train()
        before = {key: value.clone() for key, value in loss.state_dict().items()}
        own_boundary(loss, ANGLES)
        assert all((before[key] == value).all() for key, value in loss.state_dict().items())
        assert loss.training


@pytest.mark.parametrize("name", softmax_family())
def test_every_margin_can_be_drawn(name: str) -> None:
    draw_boundary(name).canvas.draw()


def test_every_member_of_the_family_has_a_rule() -> None:
    assert all(boundary_of(name).rule for name in softmax_family())
    with pytest.raises(InputError, match="did you mean 'arcface'"):
        boundary_of("arcfce")
