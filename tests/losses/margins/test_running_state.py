"""What some losses remember from batch to batch: it moves as published, and it is saved."""

from __future__ import annotations

import math

import pytest
import torch

from likewise.losses import (
    AdaFace,
    CurricularFace,
    LSoftmax,
    SphereFace,
    SphereFace2,
    UniFace,
    create_loss,
)
from tests.losses.batches import batch, double_loss


def test_adaface_follows_the_lengths() -> None:
    loss = double_loss("adaface")
    assert (loss.norm_mean, loss.norm_deviation) == (20, 100)
    mean, deviation = 20.0, 100.0
    for seed in range(3):
        z, y = batch(length=30.0, seed=seed)
        loss(z, y)
        norms = [min(max(math.hypot(*row), 0.001), 100) for row in z.tolist()]
        average = sum(norms) / 6
        spread = math.sqrt(sum((n - average) ** 2 for n in norms) / 5)
        mean = 0.01 * average + 0.99 * mean
        deviation = 0.01 * spread + 0.99 * deviation
        assert loss.norm_mean.item() == pytest.approx(mean, rel=1e-12)
        assert loss.norm_deviation.item() == pytest.approx(deviation, rel=1e-12)


@pytest.mark.parametrize("rows", [0, 1])
def test_adaface_outlives_a_tiny_batch(rows: int) -> None:
    loss = double_loss("adaface")
    loss(*batch(rows=rows))
    assert loss.norm_mean.isfinite()
    assert loss.norm_deviation == 100


def test_adaface_logit_falls_for_good_photos() -> None:
    # Without the clip of θ - m·q the logit would rise with θ up to m.
    loss = AdaFace(2, 2).double()
    theta = torch.linspace(0, math.pi, 500, dtype=torch.float64)
    for quality in (-1.0, -0.3, 0.0, 0.7, 1.0):
        logit = loss.target(theta.cos(), torch.full_like(theta, quality))
        assert (logit.diff() <= 1e-12).all()


def test_curricularface_follows_the_target_cosine() -> None:
    loss = double_loss("curricularface")
    t = 0.0
    for seed in range(3):
        z, y = batch(seed=seed)
        loss(z, y)
        cosines = torch.nn.functional.cosine_similarity(z, loss.weight[y])
        t = 0.01 * cosines.mean().item() + 0.99 * t
        assert loss.progress.item() == pytest.approx(t, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "schedule"),
    [
        (SphereFace, lambda step: max(5.0, 1000 * (1 + 0.12 * step) ** -1)),
        (LSoftmax, lambda step: max(0.0, 1000 * (1 + 2.5e-5 * step) ** -35)),
    ],
)
def test_published_annealing(kind: type, schedule: object) -> None:
    loss = kind(5, 4).double()
    for step in (0, 1, 10, 1_000, 10_000, 100_000):
        loss.annealing.step.fill_(step)
        assert loss.annealing.weight() == pytest.approx(schedule(step), rel=1e-12)
        loss(*batch())
        assert loss.annealing.step == step + 1


@pytest.mark.parametrize(
    ("name", "buffers"),
    [
        ("adaface", {"norm_mean", "norm_deviation"}),
        ("curricularface", {"progress"}),
        ("sphereface", {"annealing.step"}),
        ("lsoftmax", {"annealing.step"}),
    ],
)
def test_state_is_saved_restored_and_still_when_evaluating(name: str, buffers: set[str]) -> None:
    loss = double_loss(name)
    z, y = batch(length=10.0)
    for _ in range(3):
        loss(z, y)
    saved = {key: value.clone() for key, value in loss.state_dict().items()}
    assert set(saved) == {"weight"} | buffers
    loss.eval()
    value = loss(z, y)
    assert all(torch.equal(loss.state_dict()[key], saved[key]) for key in saved)

    other = double_loss(name, seed=7).eval()
    assert other(z, y) != value
    other.load_state_dict(saved)
    assert other(z, y) == value


@pytest.mark.parametrize("classes", [2, 3, 4, 10, 100_000])
@pytest.mark.parametrize(("scale", "margin"), [(40.0, 0.4), (5.0, 0.0)])
def test_sphereface2_starts_balanced(classes: int, scale: float, margin: float) -> None:
    # At cosine zero, where random embeddings lie, positives pull as hard as negatives push.
    loss = SphereFace2(classes, 4, scale=scale, margin=margin)
    at_zero = 2 * 0.5**3 - 1
    bias = loss.bias.double()
    pull = 0.7 * torch.sigmoid(-(scale * (at_zero - margin) + bias))
    push = 0.3 * (classes - 1) * torch.sigmoid(scale * (at_zero + margin) + bias)
    torch.testing.assert_close(pull, push, rtol=1e-5, atol=0)


def test_uniface_starts_at_ten_times_the_classes() -> None:
    assert UniFace(40, 4).bias.item() == pytest.approx(math.log(400))


@pytest.mark.parametrize("name", ["sphereface2", "uniface"])
def test_the_bias_is_a_parameter(name: str) -> None:
    loss = create_loss(name, num_classes=5, embedding_dim=4)
    assert set(dict(loss.named_parameters())) == {"weight", "bias"}
    assert set(loss.state_dict()) == {"weight", "bias"}


def test_curriculum_begins_by_playing_hard_classes_down() -> None:
    loss = CurricularFace(3, 2).double()
    cosine = torch.tensor([[0.9, 0.2]], dtype=torch.float64)
    target = torch.tensor([0.5], dtype=torch.float64)
    for progress, hard in [(0.0, 0.9 * 0.9), (0.5, 0.9 * (0.5 + 0.9))]:
        loss.progress.fill_(progress)
        expected = torch.tensor([[hard, 0.2]], dtype=torch.float64)
        torch.testing.assert_close(loss.others(cosine, target), expected)
