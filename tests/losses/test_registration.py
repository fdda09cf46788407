"""Losses of a user's own: registered beside their definition, and known everywhere by name."""

from __future__ import annotations

import inspect
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import likewise
from likewise.errors import InputError
from likewise.lab.compare.candidates import all_labels, candidates_of
from likewise.lab.figures import produce as module
from likewise.lab.figures.produce import produce
from likewise.losses import (
    Boundary,
    Curve,
    EmbeddingLoss,
    FigureSettings,
    Head,
    Hyperparameter,
    SearchSpace,
    create_loss,
    list_losses,
    register_loss,
)
from likewise.losses.head.arguments import buffer, choice, count, fixed, number
from likewise.losses.registration import REGISTERED
from likewise.losses.registry import needs_pairs
from likewise.mining import pair_masks
from tests.conftest import make_photos, quick_recipe

SIZES = {"num_classes": 4, "embedding_dim": 8}


@pytest.fixture
def own(registry: None) -> None:
    """What a user writes: a margin in one place, a pair loss in another."""

    @register_loss(
        "squared",
        aliases=("square",),
        search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.5),)),
        figure=FigureSettings(
            "Squared",
            "A margin on the square of the cosine.",
            {"scale": 16.0},
            "s = 16",
            boundary=Boundary("cos θ₁ - m·cos² θ₁ > cos θ₂", (Curve("m = 0.2"),)),
        ),
    )
    class Squared(Head):
        margin: float = number(default=0.2, least=0, most=1)

        def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
            return cosine - margin * cosine.square()

    @register_loss(
        "lifted",
        search_space=[
            SearchSpace((Hyperparameter("margin", 0.5, 2.0),), variant=kind, in_all=kind == "hard")
            for kind in ("hard", "soft")
        ],
        figure=FigureSettings("Lifted", params={"margin": 0.5}),
    )
    class Lifted(EmbeddingLoss):
        def __init__(self, *, margin: float = 1.0) -> None:
            super().__init__()
            self.margin = margin

        def compute(self, anchors: Tensor, samples: Tensor, labels: Tensor) -> Tensor:
            same, different = pair_masks(labels, len(anchors))
            unit = [nn.functional.normalize(x, dim=1) for x in (anchors, samples)]
            cosines = unit[0] @ unit[1].T
            gap = cosines.masked_fill(~different, -2).amax(1) - cosines.masked_fill(~same, 2).amin(
                1
            )
            return (gap + self.margin).relu().mean()


@pytest.mark.parametrize("name", ["squared", "square", "lifted", "squared + 0.1*lifted"])
def test_by_name(own: None, name: str) -> None:
    assert {"squared", "lifted"} <= set(list_losses())
    embeddings = torch.randn(8, 8, requires_grad=True)
    loss = create_loss(name, **SIZES, margin=0.3)
    loss(embeddings, torch.arange(8) // 2).backward()
    assert embeddings.grad is not None
    assert needs_pairs(name) == ("lifted" in name)
    with pytest.raises(InputError, match="did you mean 'margin'"):
        create_loss(name, **SIZES, margn=0.3)


@pytest.mark.parametrize("name", ["squared", "lifted", "squared + 0.1*lifted"])
def test_in_a_recipe(own: None, name: str, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=4)
    recipe = quick_recipe("schedule.epochs=1", f"loss.name={name}", "loss.margin=0.1")
    assert likewise.train(photos, tmp_path / "run", recipe).finished


def test_in_a_comparison(own: None) -> None:
    assert {"squared", "lifted:hard"} <= set(all_labels())
    assert "lifted:soft" not in all_labels()
    squared, lifted = candidates_of(["squared", "lifted"])
    assert lifted.label == "lifted:hard"
    choices = [squared.choice(trial, lr=1e-3, num_classes=4) for trial in range(3)]
    assert choices[0].parameters == {"margin": pytest.approx(0.275)}
    assert len({choice.parameters["margin"] for choice in choices}) == 3
    for candidate in (squared, lifted):
        choice = candidate.choice(0, lr=1e-3, num_classes=4)
        create_loss(choice.loss, **SIZES, **choice.parameters)


def test_in_the_figures(own: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRAINING", 10)
    monkeypatch.setattr(module, "SHOWN", 4)
    made = produce(tmp_path, ["squared", "lifted"], steps=4, say=lambda _: None)
    assert [[path.name for path in entry.files] for entry in made] == [
        ["embedding_squared.png", "boundary_squared.png"],
        ["embedding_lifted.png"],
    ]


def test_without_settings_all_works_with_the_defaults(registry: None) -> None:
    @register_loss("bare")
    class Bare(Head):
        def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
            return cosine - margin

    (candidate,) = candidates_of(["bare"])
    assert [parameter.name for parameter in candidate.hyperparameters(1e-3)] == ["lr"]
    assert REGISTERED["bare"].figure.title == "Bare"
    assert create_loss("bare", **SIZES, margin=0.5).margin == 0.5


def test_names_are_taken_once(registry: None) -> None:
    class Mine(Head):
        pass

    with pytest.raises(InputError, match="arcface: is already the name of ArcFace"):
        register_loss("arcface")(Mine)
    with pytest.raises(InputError, match="am_softmax: is already the name of CosFace"):
        register_loss("mine", aliases=["am_softmax"])(Mine)
    with pytest.raises(InputError, match="must be a subclass of likewise.losses.Loss"):
        register_loss("mine")(nn.Linear)


def test_what_is_declared_is_checked_at_once(registry: None) -> None:
    for wrong in ("", "a+b", "0.1*a", "my loss", Head):
        with pytest.raises(InputError, match="must be a name of letters, digits and underscores"):
            register_loss(wrong)  # type: ignore[arg-type]  # Head: the parentheses are missing
    with pytest.raises(InputError, match="aliases: 'other'; must be a list of names"):
        register_loss("mine", aliases="other")
    margin = Hyperparameter("margin", 0.1, 0.5)
    with pytest.raises(InputError, match="mine: search_space: must be one SearchSpace or several"):
        register_loss("mine", search_space=(margin,))  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(InputError, match="tuned: 3 hyperparameters; give at most two"):
        SearchSpace((margin, margin, margin))


def test_a_pair_loss_without_compute_says_so() -> None:
    class Unfinished(EmbeddingLoss):
        pass

    with pytest.raises(NotImplementedError, match=r"Unfinished: .* must define compute\(\)"):
        Unfinished()(torch.randn(4, 8), torch.arange(4))


def test_declared_arguments() -> None:
    class Parent(Head):
        margin: float = number(default=0.25, least=0, most=1)
        kind: str = choice(default="hard", among=("hard", "soft"))
        centre: Tensor = buffer(2.0)

    class Child(Parent):
        margin: float = 0.5  # a new default, with the check of the parent
        kind: str = fixed("soft")
        levels: int = count(default=3, least=2)

    class Own(Child):
        def __init__(self, num_classes: int, *, width: int = 8) -> None:
            super().__init__(num_classes, width, levels=4)

    assert [*inspect.signature(Child).parameters] == [
        "num_classes", "embedding_dim", "scale", "margin", "gradient", "memory_budget",
        "label_smoothing", "reduction", "levels",
    ]  # fmt: skip
    assert Child.margin == 0.5
    child = Child(3, 4, scale="auto")
    assert (child.kind, child.levels, float(child.centre)) == ("soft", 3, 2.0)
    assert math.isclose(child.scale, likewise.losses.automatic_scale(3))
    assert {*child.state_dict()} == {"weight", "centre"}
    assert [*inspect.signature(Own).parameters] == ["num_classes", "width"]
    assert Own(3).levels == 4
    with pytest.raises(InputError, match="margin: 2; must be a number from 0 to 1"):
        Child(3, 4, margin=2)
    with pytest.raises(InputError, match="levels: 1; must be a whole number of at least 2"):
        Child(3, 4, levels=1)
    with pytest.raises(InputError, match="kind: unknown value 'sft'"):
        Parent(3, 4, kind="sft")
    for wrong in ({"kind": "soft"}, {"marign": 0.1}):
        with pytest.raises(TypeError, match="Child: got an unexpected keyword argument"):
            Child(3, 4, **wrong)
    with pytest.raises(TypeError, match="Child: missing a required argument: 'embedding_dim'"):
        Child(3)
