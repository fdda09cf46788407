"""Negatives that harden, and the collapse that makes them step back."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.losses import Triplet
from likewise.mining import BatchHard, CollapseDetector, Curriculum, TripletMiner, pair_masks

Y = torch.arange(12) // 3


def distances(positive: float, negative: float) -> tuple[Tensor, Tensor, Tensor]:
    same, different = pair_masks(Y)
    return torch.where(same, positive, negative), same, different


def test_learning_is_no_collapse() -> None:
    detector = CollapseDetector(momentum=0.5)
    for step in range(60):
        assert not detector.update(*distances(0.95**step, 1.2))


def test_all_distances_shrinking_together_is_collapse(caplog: pytest.LogCaptureFixture) -> None:
    detector = CollapseDetector(momentum=0.5)
    with caplog.at_level(logging.INFO, "likewise.mining"):
        seen = [detector.update(*distances(0.9**step, 1.4 * 0.9**step)) for step in range(40)]
        assert seen == sorted(seen)
        assert not seen[5]
        assert seen[-1]
        while detector.update(*distances(0.8, 1.2)):
            pass
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "shrinking together" in caplog.text
    assert "spread again" in caplog.text


def test_a_batch_without_both_kinds_teaches_the_detector_nothing() -> None:
    detector = CollapseDetector()
    assert not detector.update(torch.zeros(3, 3), *pair_masks(torch.tensor([0, 0, 0])))
    assert detector.means.isnan().all()
    assert detector.spread() == 1.0


def test_negatives_go_from_the_median_to_the_hardest() -> None:
    generator = torch.Generator().manual_seed(0)
    d = torch.rand(12, 12, generator=generator)
    same, different = pair_masks(Y)
    curriculum = Curriculum(start=0.5, step=0.5).eval()
    for hardness, rank in ((0.0, 4), (0.5, 2), (1.0, 0)):  # of 9 negatives
        curriculum.hardness.fill_(hardness)
        anchor, positive, negative = curriculum(d, same, different)
        assert torch.stack((anchor, positive), 1).tolist() == same.nonzero().tolist()
        for a, n in zip(anchor.tolist(), negative.tolist(), strict=True):
            ordered = sorted(d[a][different[a]].tolist())
            assert d[a, n] == ordered[rank]


def test_hardness_grows_in_training_while_the_spread_holds() -> None:
    curriculum = Curriculum(step=0.1, hold=0.9, detector=CollapseDetector(momentum=0.0))
    for _ in range(3):
        curriculum(*distances(0.5, 1.0))
    assert float(curriculum.hardness) == pytest.approx(0.3)
    curriculum(*distances(0.5, 0.8))  # too narrow to go on, no collapse
    assert float(curriculum.hardness) == pytest.approx(0.3)
    curriculum.eval()(*distances(0.5, 1.0))
    assert float(curriculum.hardness) == pytest.approx(0.3)


def test_a_collapse_steps_back(caplog: pytest.LogCaptureFixture) -> None:
    curriculum = Curriculum(step=0.1, patience=3, detector=CollapseDetector(momentum=0.0))
    for _ in range(8):
        curriculum(*distances(0.5, 1.0))
    with caplog.at_level(logging.WARNING, "likewise.mining"):
        hardness = []
        for _ in range(5):
            curriculum(*distances(0.05, 0.1))
            hardness.append(float(curriculum.hardness))
    assert hardness == pytest.approx([0.4, 0.4, 0.4, 0.2, 0.2])
    assert "stepping back" in caplog.text
    resumed = Curriculum()
    resumed.load_state_dict(curriculum.state_dict())
    assert float(resumed.hardness) == pytest.approx(0.2)
    assert bool(resumed.detector.collapsed)


def test_no_triplets_without_both_kinds() -> None:
    for y in ([0, 0, 0], [0, 1, 2], [0]):
        masks = pair_masks(torch.tensor(y))
        assert [len(t) for t in Curriculum()(torch.ones(len(y), len(y)), *masks)] == [0, 0, 0]


def test_a_provoked_collapse_is_caught(caplog: pytest.LogCaptureFixture) -> None:
    """Labels that the inputs do not tell apart, hardest negatives: the way out is one point."""
    torch.manual_seed(0)
    model = nn.Linear(8, 4)
    miner = Curriculum(start=0.0, detector=CollapseDetector(momentum=0.5))  # the hardest at once
    loss = Triplet(margin=0.5, mining=miner, normalize=False)
    with caplog.at_level(logging.WARNING, "likewise.mining"):
        for _ in range(150):
            model.zero_grad()
            loss(model(torch.randn(36, 8)), torch.arange(36) // 3).backward()
            for p in model.parameters():
                p.data -= 0.05 * p.grad
    assert "shrinking together" in caplog.text


def collapsing(miner: TripletMiner, steps: int, seed: int) -> tuple[float, float]:
    """Classes that noise hides, d², no unit sphere: spread and loss where the training ends."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(8, 4, generator=generator).div(3).requires_grad_()
    centres = torch.randn(12, 8, generator=generator)[torch.arange(36) // 3]
    labels = torch.arange(36) // 3
    loss = Triplet(margin=0.5, mining=miner, normalize=False, squared=True)
    for _ in range(steps):
        embeddings = (centres + torch.randn(36, 8, generator=generator)) @ weight
        value = loss(embeddings, labels)
        (gradient,) = torch.autograd.grad(value, weight)
        weight.data -= 0.05 * gradient
    return float(torch.pdist(embeddings.detach()).mean()), float(value.detach())


@pytest.mark.parametrize("seed", range(3))
def test_a_step_back_ends_the_collapse_that_the_hardest_stay_in(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    spread, value = collapsing(BatchHard(), 150, seed)
    assert spread < 0.01
    assert value == pytest.approx(0.5, abs=0.001)  # the margin, and no way down
    curriculum = Curriculum(detector=CollapseDetector(momentum=0.5))
    curriculum.hardness.fill_(1)  # as hard, from the first step
    with caplog.at_level(logging.INFO, "likewise.mining"):
        spread, value = collapsing(curriculum, 150, seed)
    told = [record.getMessage() for record in caplog.records]
    assert [message.partition(":")[0] for message in told] == [
        "collapse",
        "stepping back to easier negatives",
        "the embedding has spread again",
    ]
    assert "hardness 0.500, was 1.000" in told[1]
    assert 0.5 <= float(curriculum.hardness) < 1
    assert spread > 0.5
    assert value < 0.45


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (Curriculum, {"start": 2}, "start: 2"),
        (Curriculum, {"step": -1}, "step: -1"),
        (Curriculum, {"hold": 1.5}, "hold: 1.5"),
        (Curriculum, {"patience": 0}, "patience: 0"),
        (CollapseDetector, {"fraction": 1}, "fraction: 1"),
        (CollapseDetector, {"momentum": 1}, "momentum: 1"),
    ],
)
def test_wrong_arguments(make: type[nn.Module], arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**arguments)
