"""Checkpoints: every bit comes back, damage is refused, a full disk leaves the one before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from likewise.errors import InputError, LikewiseError
from likewise.training.checkpoint import (
    load_checkpoint,
    optimizer_tensors,
    random_state,
    restore_optimizer,
    restore_random_state,
    save_checkpoint,
)
from likewise.training.optimizer import build_optimizer
from likewise.training.recipe import Optimizer


def test_parts_and_values_come_back(tmp_path: Path) -> None:
    parts = {"network": {"a.weight": torch.randn(3, 2)}, "loss": {"w": torch.arange(4)}}
    save_checkpoint(tmp_path / "c", parts, {"step": 7, "name": "é"})
    back, values = load_checkpoint(tmp_path / "c")
    assert values == {"step": 7, "name": "é"}
    for part, named in parts.items():
        for name, tensor in named.items():
            assert torch.equal(back[part][name], tensor)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_an_optimiser_continues_exactly(name: str) -> None:
    def build() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        return module, build_optimizer(
            Optimizer.model_validate({"name": name}), module, nn.Module()
        )

    def move(module: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
        torch.manual_seed(seed)
        optimizer.zero_grad()
        module(torch.randn(8, 4)).square().sum().backward()
        optimizer.step()

    module, optimizer = build()
    other, restored = build()
    for seed in range(3):
        move(module, optimizer, seed)
    other.load_state_dict(module.state_dict())
    restore_optimizer(restored, optimizer_tensors(optimizer))
    for seed in range(3, 6):
        move(module, optimizer, seed)
        move(other, restored, seed)
    for left, right in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(left, right)


def test_decay_pulls_matrices_only_and_the_loss_is_trained() -> None:
    module, loss = nn.Sequential(nn.Linear(4, 3), nn.PReLU(3)), nn.Linear(3, 5, bias=False)
    choice = Optimizer(weight_decay=0.1, lr=0.01, loss_lr=0.5)
    groups = build_optimizer(choice, module, loss).param_groups
    settings = {p.shape: (g["weight_decay"], g["lr"]) for g in groups for p in g["params"]}
    assert settings == {
        torch.Size([3, 4]): (0.1, 0.01),
        torch.Size([3]): (0.0, 0.01),
        torch.Size([5, 3]): (0.1, 0.5),
    }
    assert sum(len(g["params"]) for g in groups) == 4


def test_random_numbers_continue() -> None:
    state = random_state()
    expected = torch.rand(5)
    restore_random_state(state)
    assert torch.equal(torch.rand(5), expected)


def test_damage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        load_checkpoint(path)
    save_checkpoint(path, {"n": {"w": torch.ones(50)}}, {})
    content = path.read_bytes()
    for damaged in (content[:40], content[:-8], b"", b"\xff" * 64):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            load_checkpoint(path)


def test_a_folder_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c"
    save_checkpoint(path, {"n": {"w": torch.ones(2)}}, {"step": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("likewise.models.weights.save_file", full)
    with pytest.raises(LikewiseError, match=r"cannot write .*c: No space left on device"):
        save_checkpoint(path, {"n": {"w": torch.zeros(2)}}, {"step": 2})
    assert load_checkpoint(path)[1] == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
