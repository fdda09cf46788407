"""Memory formats, fused optimisers and compilation: the same numbers, faster."""

from __future__ import annotations

import copy
import logging

import pytest
import torch
from torch import nn

from likewise.errors import InputError
from likewise.models.memory_format import choose_memory_format
from likewise.training.checkpoints.state import (
    named_parameters,
    optimizer_tensors,
    restore_optimizer,
)
from likewise.training.recipe.recipe import Optimizer
from likewise.training.setup.build import loss_of, network_of
from likewise.training.step.compilation import Compiled
from likewise.training.step.memory_format import match_memory_format
from likewise.training.step.optimizer import build_optimizer
from likewise.training.trainer import Trainer
from tests.conftest import quick_recipe

CPU = torch.device("cpu")


def trainer_of(*settings: str) -> Trainer:
    torch.manual_seed(0)
    recipe = quick_recipe(*settings)
    return Trainer(recipe, network_of(recipe).train(), loss_of(recipe, 4),
                   recipe.input.preprocess(), CPU)  # fmt: skip


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return pixels, torch.arange(8) // 2


def test_channels_last_gives_the_same_numbers_and_plain_checkpoints() -> None:
    plain = trainer_of("training.channels_last=false")
    last = trainer_of("training.channels_last=true")
    kernel = last.module.state_dict()["body.3.weight"]
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    for _ in range(3):
        left, right = plain.step(*batch(), 10)[0], last.step(*batch(), 10)[0]
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-3)
    assert last.network().state_dict()["body.3.weight"].is_contiguous()


def test_where_channels_last_depends_on_photos() -> None:
    wide, narrow = nn.Conv2d(3, 128, 3), nn.Conv2d(3, 64, 3)
    cuda = torch.device("cuda")
    assert choose_memory_format(wide, None, CPU) is torch.channels_last
    assert choose_memory_format(narrow, None, CPU) is torch.contiguous_format
    assert choose_memory_format(narrow, None, cuda) is torch.channels_last
    assert choose_memory_format(nn.Linear(3, 3), None, cuda) is torch.contiguous_format
    assert choose_memory_format(wide, False, cuda) is torch.contiguous_format
    assert choose_memory_format(narrow, True, CPU) is torch.channels_last


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_fused_step_is_the_plain_one_and_survives_a_checkpoint(name: str) -> None:
    """A fused step goes over memory: moments in another layout would move the wrong weights."""
    torch.manual_seed(0)
    fused = nn.Conv2d(4, 8, 3).to(memory_format=torch.channels_last)
    plain = copy.deepcopy(fused)
    choice = Optimizer.model_validate({"name": name, "lr": 0.1})
    one, other = (build_optimizer(choice, module, nn.Module()) for module in (fused, plain))
    for group in other.param_groups:
        group["fused"] = False
    assert all(group["fused"] for group in one.param_groups)
    for step in range(4):
        if step == 2:
            names = named_parameters(fused, nn.Module())
            from_file = {k: t.contiguous() for k, t in optimizer_tensors(one, names).items()}
            one = build_optimizer(choice, fused, nn.Module())
            restore_optimizer(one, names, from_file)
            match_memory_format(one)
        images = torch.randn(2, 4, 5, 5)
        for module, optimizer in ((fused, one), (plain, other)):
            optimizer.zero_grad()
            module(images).square().sum().backward()
            optimizer.step()
        torch.testing.assert_close(fused.weight, plain.weight)


def test_compiling_leaves_the_names_and_the_numbers() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 3), nn.PReLU())
    names = list(module.state_dict())
    images = torch.randn(5, 4)
    expected = module(images)
    compiled = Compiled(module, backend="eager")
    torch.testing.assert_close(compiled(images), expected)
    assert module._compiled_call_impl is not None
    assert list(module.state_dict()) == names
    assert copy.deepcopy(module)._compiled_call_impl is None


def test_a_compiler_that_fails_is_told_and_left(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no C++ compiler found\nand more")

    class Network(nn.Module):
        """One of our own: torch 2.6 leaves its own layers uncompiled when they stand alone."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)

    module = Network()
    compiled = Compiled(module, backend=broken)
    with caplog.at_level(logging.WARNING, "likewise"):
        for _ in range(2):
            torch.testing.assert_close(compiled(torch.ones(2, 4)), module.forward(torch.ones(2, 4)))
    (record,) = caplog.records
    assert "training.compile: the compiler fails" in record.getMessage()
    assert "no C++ compiler found" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_an_error_of_the_network_itself_is_not_the_compilers() -> None:
    compiled = Compiled(nn.Linear(4, 3), backend="eager")
    with pytest.raises(RuntimeError, match="shape|size"):
        compiled(torch.ones(2, 5))


@pytest.mark.slow
def test_compiled_training_is_training() -> None:
    plain, compiled = trainer_of(), trainer_of("training.compile=true")
    for _ in range(3):
        left, right = plain.step(*batch(), 10)[0], compiled.step(*batch(), 10)[0]
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-3)
    assert list(plain.network().state_dict()) == list(compiled.network().state_dict())


def test_two_ways_to_the_same_memory_are_refused() -> None:
    with pytest.raises(InputError, match="not with training.compile"):
        trainer_of("training.compile=true", "training.checkpoint_activations=true",
                   "model.name=mobilefacenet")  # fmt: skip


@pytest.mark.parametrize("settings", [("batch.micro=3",), ("training.precision=bf16",)])
def test_other_ways_train(settings: tuple[str, ...]) -> None:
    trainer = trainer_of(*settings, "schedule.warmup_epochs=0", "schedule.margin_warmup_epochs=0")
    losses = [float(trainer.step(*batch(), 10)[0]) for _ in range(20)]
    assert losses[-1] < losses[0]
