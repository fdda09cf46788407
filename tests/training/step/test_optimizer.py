"""The optimiser of a recipe takes the steps of torch's own, and each part has its own clip."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.losses import create_loss
from likewise.training.monitoring.profile import StepProfile
from likewise.training.recipe.recipe import HeadChoice, Recipe, recipe_with
from likewise.training.step.optimizer import build_optimizer
from likewise.training.trainer import Trainer

BETAS = ["optimizer.betas=[0.8, 0.95]", "optimizer.eps=1e-3"]
NESTEROV = ["optimizer.name=sgd", "optimizer.nesterov=true", "optimizer.momentum=0.7"]


class OneMatrix(nn.Module):
    """A loss whose gradient is known: the sum of a matrix, times 3."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return embeddings.sum() + 3 * self.weight.sum() + 0 * labels.sum()


def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2).double()


@pytest.mark.parametrize("settings", [BETAS, NESTEROV], ids=["adamw", "sgd"])
@pytest.mark.parametrize("rows", [False, True], ids=["all", "by-rows"])
def test_the_steps_are_those_of_torch(settings: list[str], rows: bool) -> None:
    choice = recipe_with(Recipe(), [*settings, "optimizer.weight_decay=0"]).optimizer
    ours, theirs = network(), network()
    loss = create_loss("cosface", num_classes=4, embedding_dim=2).double()
    optimizer = build_optimizer(choice, ours, loss, HeadChoice(sample=0.5 if rows else 1.0))
    peer: torch.optim.Optimizer
    if choice.name == "sgd":
        peer = torch.optim.SGD(theirs.parameters(), 1e-3, momentum=0.7, nesterov=True)
    else:
        peer = torch.optim.AdamW(
            theirs.parameters(), 1e-3, betas=(0.8, 0.95), eps=1e-3, weight_decay=0
        )
    for step in range(5):
        for module, one in ((ours, optimizer), (theirs, peer)):
            one.zero_grad()
            torch.manual_seed(step)
            module(torch.randn(6, 3, dtype=torch.float64)).square().sum().backward()
            one.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-12, atol=0)


def clipped(*settings: str) -> list[float]:
    """The gradient norms of the network and of the loss after a step, and the one before."""
    recipe = recipe_with(
        Recipe(), ["input.height=8", "input.width=8", "training.device=cpu", *settings]
    )
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 2, bias=False))
    trainer = Trainer(recipe, module, OneMatrix(), recipe.input.preprocess(), torch.device("cpu"))
    pixels = torch.full((4, 3, 8, 8), 255, dtype=torch.uint8)
    labels = torch.zeros(4, dtype=torch.int64)
    nothing = StepProfile(0, torch.device("cpu"), Path())
    found = trainer.gradients.compute(pixels, labels, trainer.optimizer, trainer.guard, nothing)
    norms = [
        torch.cat([p.grad.flatten() for p in part.parameters() if p.grad is not None]).norm()
        for part in (trainer.module, trainer.loss)
    ]
    return [float(norms[0]), float(norms[1]), float(found.norm)]


# Before: 4 photos of 192 ones give each of the 2 × 192 weights of the network a gradient of 4.
OWN, OF_LOSS = 4 * (2 * 192) ** 0.5, 3 * 4**0.5
WHOLE = (OWN**2 + OF_LOSS**2) ** 0.5


@pytest.mark.parametrize(
    ("settings", "norms"),
    [
        (("optimizer.clip=0",), (OWN, OF_LOSS)),
        (("optimizer.clip=1",), (OWN / WHOLE, OF_LOSS / WHOLE)),
        (("optimizer.clip=1", "optimizer.loss_clip=0.5"), (1, 0.5)),
        (("optimizer.clip=1", "optimizer.loss_clip=0"), (1, OF_LOSS)),
        (("optimizer.clip=0", "optimizer.loss_clip=100"), (OWN, OF_LOSS)),
    ],
)
def test_the_weights_of_the_loss_have_a_clip_of_their_own(
    settings: tuple[str, ...], norms: tuple[float, float]
) -> None:
    assert clipped(*settings) == pytest.approx([*norms, WHOLE], rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["optimizer.name=sgd", "optimizer.nesterov=true", "optimizer.momentum=0"],
         "^optimizer.nesterov: needs momentum; set optimizer.momentum=0.9"),
        (["loss.name=supcon", "optimizer.loss_clip=1"], "^optimizer.loss_clip: this loss has no"),
    ],
)  # fmt: skip
def test_what_the_parts_do_not_have_is_refused(settings: list[str], message: str) -> None:
    recipe = recipe_with(Recipe(), settings)
    loss = create_loss(recipe.loss.name, num_classes=4, embedding_dim=2)
    with pytest.raises(InputError, match=message):
        build_optimizer(recipe.optimizer, network(), loss)
