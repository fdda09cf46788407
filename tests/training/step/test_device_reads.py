"""How often a step synchronises with the device: once, after the backward pass."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from likewise.losses import ArcFace, Sum, create_loss, list_losses
from likewise.losses.checks import defer_checks, refuse_where
from likewise.losses.registry import needs_pairs
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.watch import Watch
from likewise.training.setup.build import network_of
from likewise.training.trainer import Trainer
from tests.conftest import quick_recipe

# What has to look at the numbers, as it gives Python a number or a tensor whose size they decide.
OPERATIONS = ("_local_scalar_dense", "nonzero", "_unique2", "masked_select", "bincount", "equal")
METHODS = {Tensor.tolist, Tensor.cpu, Tensor.numpy}


class Reads(TorchDispatchMode):
    """Notes where a number is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def note(self) -> None:
        files = [frame.filename for frame in traceback.extract_stack()]
        ours = [name for name in files if "/likewise/" in name or "/torch/optim" in name]
        where = ours[-1].rpartition("/")[2]
        if where != "fused.py":  # which compares on the CPU alone, where it costs nothing
            self.found.append(where)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.name()
        masked = name == "aten::index.Tensor" and any(
            place is not None and place.dtype == torch.bool for place in args[1]
        )
        if masked or any(name.startswith(f"aten::{known}") for known in OPERATIONS):
            self.note()
        return func(*args, **(kwargs or {}))


class Methods(TorchFunctionMode):
    """The same for what does not come by way of an operation."""

    def __init__(self, reads: Reads) -> None:
        super().__init__()
        self.reads = reads

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in METHODS:
            self.reads.note()
        return func(*args, **(kwargs or {}))


def reads_of(loss: nn.Module) -> list[str]:
    torch.manual_seed(0)
    recipe, device = quick_recipe("training.ema=0.9"), torch.device("cpu")
    trainer = Trainer(
        recipe, network_of(recipe).train(), loss.train(), recipe.input.preprocess(), device
    )
    trainer.watch = Watch(["a", "b", "c", "d"], 1, 0.0, Processes(), device)
    batch = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8), torch.arange(8) // 2
    trainer.step(*batch, 10)
    with Reads() as reads, Methods(reads):
        trainer.step(*batch, 10)
    return reads.found


SIZES = {"num_classes": 4, "embedding_dim": 32}
OF_CLASSES = [name for name in list_losses() if not needs_pairs(name) and name != "center"]


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_step_against_class_weights_waits_once(name: str) -> None:
    assert reads_of(create_loss(name, **SIZES)) == ["guards.py"]


def test_a_sum_of_losses_waits_once() -> None:
    loss = Sum(create_loss("arcface", **SIZES), 0.1 * create_loss("proxy_anchor", **SIZES))
    assert reads_of(loss) == ["guards.py"]


def test_the_guard_adds_one_to_what_a_loss_needs_itself() -> None:
    """A miner, or an update of the rows that a batch names, makes tensors of unknown size."""
    for name in ("center", "triplet", "supcon", "prototype_memory"):
        assert reads_of(create_loss(name, **SIZES)).count("guards.py") == 1


def test_deferred_checks_are_read_by_the_caller() -> None:
    loss = ArcFace(num_classes=3, embedding_dim=2)
    with defer_checks() as checks:
        loss(torch.ones(2, 2), torch.tensor([0, 1]))
        with defer_checks() as inner:
            refuse_where(torch.tensor([False, True]), lambda: ValueError("inner"))
        refuse_where(torch.tensor(True), lambda: ValueError("outer"))
    assert [bool(check.wrong) for check in inner] == [True]
    assert [str(c.error()) for c in checks if bool(c.wrong)] == ["outer"]
    with pytest.raises(ValueError, match="at once"):
        refuse_where(torch.tensor([False, True]), lambda: ValueError("at once"))
    refuse_where(torch.zeros(0, dtype=torch.bool), lambda: ValueError("of nothing"))
