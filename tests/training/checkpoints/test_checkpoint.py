"""Checkpoints are read as written, damaged ones are skipped, a full disk keeps the previous."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from likewise.errors import InputError, LikewiseError
from likewise.models.tensor_file import TensorFile, write_tensor_file
from likewise.training.checkpoints.reader import (
    INDEX,
    SHARED,
    Checkpoint,
    Parts,
    process_file,
    write_index,
)
from likewise.training.checkpoints.state import (
    named_parameters,
    optimizer_tensors,
    restore_optimizer,
)
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Optimizer
from likewise.training.step.optimizer import build_optimizer
from likewise.training.step.random_state import random_state, restore_random_state


def parts_of(number: float) -> Parts:
    return {
        "network": {"a.weight": torch.full((3, 2), number), "n": torch.tensor(int(number))},
        "average": {"half": torch.full((2,), number, dtype=torch.bfloat16)},
    }


def save(checkpoints: Checkpoints, step: int) -> None:
    rows = torch.arange(10.0).view(5, 2) + step
    checkpoints.save(
        step,
        {"step": step, "name": "é"},
        parts_of(step),
        {"loss": {"weight": rows}, "random": {"cpu": torch.arange(4)}},
        {"loss/weight": (0, 5)},
    )


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", Processes(), keep=2)


def newest(checkpoints: Checkpoints) -> Checkpoint:
    found = checkpoints.newest()
    assert found is not None
    return found


def test_tensors_and_values_are_read_as_written(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest() is None
    save(checkpoints, 7)
    checkpoints.wait()
    found = newest(checkpoints)
    assert found.values == {"step": 7, "name": "é"}
    for part, named in parts_of(7).items():
        for name, tensor in named.items():
            back = found.shared()[part][name]
            assert torch.equal(back, tensor)
            assert back.dtype == tensor.dtype
    assert found.own(0).keys() == {"random"}
    target = torch.empty(3, 2)
    found.rows_into("loss/weight", 1, target)
    assert torch.equal(target, torch.arange(2.0, 8.0).view(3, 2) + 7)
    with pytest.raises(InputError, match="has 1 of the rows 4 to 6"):
        found.rows_into("loss/weight", 4, target)
    with pytest.raises(InputError, match=r"rows of shape \[2\], not \[3\]"):
        found.rows_into("loss/weight", 0, torch.empty(2, 3))


def test_later_steps_do_not_change_a_checkpoint(checkpoints: Checkpoints) -> None:
    """The thread writes while the next steps already change the weights."""
    weight = torch.zeros(400, 500)
    checkpoints.save(1, {}, {"network": {"w": weight}}, {}, {})
    weight += 1
    checkpoints.wait()
    assert not newest(checkpoints).shared()["network"]["w"].any()


def test_the_last_few_are_kept(checkpoints: Checkpoints) -> None:
    for step in (1, 2, 3, 3, 4):
        save(checkpoints, step)
    checkpoints.wait()
    assert [path.name for path in checkpoints.present()] == ["step-00000003-1", "step-00000004"]
    assert len(list(checkpoints.folder.iterdir())) == 2


def truncate(folder: Path) -> None:
    path = folder / SHARED
    path.write_bytes(path.read_bytes()[:-5])


def flip(folder: Path) -> None:
    path = folder / process_file(0, 1)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def remove(folder: Path) -> None:
    (folder / SHARED).unlink()


def flip_a_number(folder: Path) -> None:
    text = (folder / INDEX).read_text()
    (folder / INDEX).write_text(text.replace('"step": 2', '"step": 3'))


def tear(folder: Path) -> None:
    (folder / INDEX).write_text((folder / INDEX).read_text()[:40])


@pytest.mark.parametrize("damage", [truncate, flip, remove, flip_a_number, tear])
def test_a_damaged_checkpoint_is_skipped(
    damage: Callable[[Path], None], checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        save(checkpoints, step)
    checkpoints.wait()
    damage(checkpoints.folder / "step-00000002")
    with caplog.at_level(logging.WARNING):
        assert newest(checkpoints).values["step"] == 1
    (told,) = [record.getMessage() for record in caplog.records]
    assert "step-00000002 is damaged" in told
    assert "trying the previous one" in told
    damage(checkpoints.folder / "step-00000001")
    if damage is not flip_a_number:
        with pytest.raises(InputError, match="all checkpoints are damaged"):
            checkpoints.newest()


def test_the_remains_of_a_crash_are_removed(checkpoints: Checkpoints) -> None:
    save(checkpoints, 1)
    checkpoints.wait()
    half = checkpoints.folder / "step-00000002"
    half.mkdir()
    (half / process_file(0, 1)).write_bytes(b"half")
    whole = checkpoints.folder / "step-00000001"
    (whole / ".shared.safetensors.1234.tmp").touch()
    (whole / (process_file(1, 2) + ".done")).touch()
    checkpoints.clean()
    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-00000001"]
    assert sorted(path.name for path in whole.iterdir()) == [
        INDEX, process_file(0, 1), SHARED,
    ]  # fmt: skip
    assert newest(checkpoints).values["step"] == 1


def test_a_full_disk_leaves_the_previous_checkpoint(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(checkpoints, 1)
    checkpoints.wait()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("likewise.storage.os.fsync", full)
        save(checkpoints, 2)
        with pytest.raises(LikewiseError, match=r"cannot write .*: No space left on device"):
            checkpoints.wait()
    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-00000001"]
    assert newest(checkpoints).values["step"] == 1
    save(checkpoints, 3)  # there is space again
    checkpoints.wait()
    assert newest(checkpoints).values["step"] == 3


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(InputError, match="damaged"):
        TensorFile(path)
    written = write_tensor_file(path, {"w": torch.ones(50)}, {"a": 1})
    assert written.bytes == path.stat().st_size
    content = path.read_bytes()
    for damaged in (content[:40], content[:-8], b"", b"\xff" * 64):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            TensorFile(path)
    # A name that points outside the folder stays in it.
    write_index(tmp_path, 1, {"../x.safetensors": written}, {})
    path.write_bytes(content)
    assert list(Checkpoint.read(tmp_path).files) == ["x.safetensors"]
    index = json.loads((tmp_path / INDEX).read_text())
    (tmp_path / INDEX).write_text(json.dumps({**index, "format": 99}))
    with pytest.raises(InputError, match="damaged, or of another version"):
        Checkpoint.read(tmp_path)


@pytest.mark.parametrize(
    "tensor",
    [torch.arange(6).view(2, 3).T, torch.tensor(3.5), torch.zeros(0, 4), torch.tensor([True])],
)
def test_any_tensor_is_read_as_written(tensor: Tensor, tmp_path: Path) -> None:
    write_tensor_file(tmp_path / "t", {"x": tensor, "other": torch.ones(3).half()}, None)
    back = TensorFile(tmp_path / "t").tensor("x")
    assert torch.equal(back, tensor)
    assert back.dtype == tensor.dtype


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_an_optimizer_resumes_exactly(name: str) -> None:
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

    def names(module: nn.Module) -> dict[str, Any]:
        return named_parameters(module, nn.Module())

    module, optimizer = build()
    other, restored = build()
    for seed in range(3):
        move(module, optimizer, seed)
    other.load_state_dict(module.state_dict())
    tensors = optimizer_tensors(optimizer, names(module))
    assert any(key.startswith("network.0.weight/") for key in tensors)
    restore_optimizer(restored, names(other), {k: t.clone() for k, t in tensors.items()})
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
