"""What takes part, and what of it is tuned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from likewise.errors import InputError
from likewise.lab.compare.candidates import all_labels, candidates_of
from likewise.lab.compare.search_space import STRIDES, search_spaces, trial_position, value_at
from likewise.losses import Hyperparameter, automatic_scale, create_loss, list_losses


def test_every_loss_takes_part() -> None:
    assert {label.partition(":")[0] for label in all_labels()} == set(list_losses())
    assert [c.label for c in candidates_of(["all"])] == all_labels()


@pytest.mark.parametrize("label", sorted(search_spaces()))
def test_every_point_of_every_space_is_a_loss_that_trains(label: str) -> None:
    (candidate,) = candidates_of([label])
    choices = [candidate.choice(trial, lr=1e-3, num_classes=8) for trial in range(6)]
    for choice in choices:
        loss = create_loss(choice.loss, num_classes=8, embedding_dim=16, **choice.parameters)
        embeddings = (4 * torch.randn(16, 16)).requires_grad_()
        loss(embeddings, torch.arange(16) // 2).backward()
        assert embeddings.grad is not None
        assert torch.isfinite(embeddings.grad).all()
    assert len({choice.lr for choice in choices}) == 6
    assert [choice.lr for choice in choices] == [
        candidates_of(["softmax"])[0].choice(t, lr=1e-3, num_classes=8).lr for t in range(6)
    ]  # the same learning rates for all


def test_the_first_trial_is_the_middle_and_the_others_cover_the_range() -> None:
    for number in range(len(STRIDES)):
        assert trial_position(0, number) == 0.5
        places = np.sort([trial_position(trial, number) for trial in range(32)])
        assert np.diff(places, prepend=places[-1] - 1).max() < 0.1


def test_values_of_a_hyperparameter() -> None:
    whole = Hyperparameter("margin", 2, 4, whole=True)
    assert value_at(whole, 0.99, 2) == 4
    assert value_at(whole, 0.0, 2) == 2
    assert value_at(Hyperparameter("margin", 0.2, 0.4), 0.5, 2) == pytest.approx(0.3)
    scale = Hyperparameter("scale", 1.0, 4.0, log=True, unit="automatic scale")
    assert value_at(scale, 0.5, 20) == pytest.approx(2 * automatic_scale(20), rel=1e-2)


def test_names_as_they_are_typed() -> None:
    names = ["am_softmax", " triplet ", "triplet:semi_hard", "softmax+0.01*center", "cosface"]
    assert [c.label for c in candidates_of(names)] == [
        "cosface", "triplet:batch_all", "triplet:semi_hard", "softmax + 0.01*center",
    ]  # fmt: skip
    (summed,) = candidates_of(["softmax+0.01*center"])
    assert len(summed.hyperparameters(1e-3)) == 1
    choice = candidates_of(["center"])[0].choice(0, lr=1e-3, num_classes=8)
    assert choice.loss == "softmax + 0.003*center"
    assert choice.parameters == {}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("cosfase", "did you mean 'cosface'"),
        ("triplet:batch_hrad", "did you mean 'triplet:batch_hard'"),
        ("softmax + 0.1*centre", "did you mean 'center'"),
        ("x*center", "expected a weight"),
    ],
)
def test_unknown_names(name: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem.replace("*", r"\*")):
        candidates_of([name])
