"""A device without float64, such as Apple's GPUs: a training step does not use it there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from likewise.distances import Mahalanobis
from likewise.losses import Contrastive, CrossBatchMemory, SupCon, Triplet, create_loss, list_losses
from likewise.losses.margins import normal_draws as normal_draws_module
from likewise.losses.pairs import batch_all as batch_all_module
from likewise.machine import finest_float
from likewise.mining import Curriculum, balanced_pairs
from likewise.mining import pairs as pairs_module
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring import watch as watch_module
from likewise.training.monitoring.watch import Watch
from likewise.training.setup.build import network_of
from likewise.training.trainer import Trainer
from tests.conftest import quick_recipe


class Coarse(TorchDispatchMode):
    """Refuses to create float64 tensors, as MPS does."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor) and leaf.dtype == torch.float64:
                raise TypeError(f"{func}: cannot convert a tensor to float64: no such format here")
        return made


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> Coarse:
    for module in (batch_all_module, normal_draws_module, pairs_module, watch_module):
        monkeypatch.setattr(module, "finest_float", lambda _: torch.float32)
    return Coarse()


SIZES = {"num_classes": 4, "embedding_dim": 32}
LOSSES: dict[str, Callable[[], nn.Module]] = {
    **{name: (lambda name=name: create_loss(name, **SIZES)) for name in list_losses()},
    "semi_hard": lambda: Triplet(mining="semi_hard"),
    "curriculum": lambda: Triplet(mining=Curriculum()),
    "distance_weighted": lambda: Triplet(mining="distance_weighted"),
    "balanced": lambda: Contrastive(miner="balanced"),
    "memory": lambda: CrossBatchMemory(SupCon(), embedding_dim=32, memory_size=16),
}


def test_only_apples_gpus_lack_float64() -> None:
    kinds = {kind: finest_float(torch.device(kind)) for kind in ("cpu", "cuda", "mps")}
    assert kinds == {"cpu": torch.float64, "cuda": torch.float64, "mps": torch.float32}


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_and_its_watch_need_no_float64(name: str, coarse: Coarse) -> None:
    torch.manual_seed(0)
    loss = LOSSES[name]().train()
    assert all(t.dtype != torch.float64 for t in loss.state_dict().values())
    recipe = quick_recipe("training.ema=0.9")
    device = torch.device("cpu")
    pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    with coarse:
        watch = Watch(["a", "b", "c", "d"], 1, 0.0, Processes(), device)
        preprocess = recipe.input.preprocess()
        trainer = Trainer(recipe, network_of(recipe).train(), loss, preprocess, device, watch=watch)
        for _ in range(2):
            assert trainer.step(pixels, torch.arange(8) // 2, 10)[0].isfinite()
        watch.end_epoch(1)


def test_drawn_pairs_need_no_float64(coarse: Coarse) -> None:
    labels = torch.arange(40) // 4
    with coarse:
        first, second = balanced_pairs(labels, 20)
    assert (labels[first] == labels[second]).sum() == 10


def test_a_metric_on_such_a_device_is_decomposed_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The CPU does it, wherever the matrix lies."""
    moved = []
    cpu = Tensor.cpu
    monkeypatch.setattr(Tensor, "cpu", lambda self: (moved.append(self), cpu(self))[1])
    matrix = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    metric = Mahalanobis(matrix=matrix)
    assert any(tensor is matrix for tensor in moved)
    torch.testing.assert_close(metric.matrix, matrix)
