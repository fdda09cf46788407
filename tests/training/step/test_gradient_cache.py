"""Gradient caching: the gradient of the whole batch, in the memory of a micro-batch."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from likewise.losses import create_loss
from likewise.training.step.gradient_cache import GradientCache, micro_batches


def network(*, norm: Callable[[int], nn.Module], dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), norm(8), nn.PReLU(8), nn.Flatten(), nn.Dropout(dropout),
        nn.Linear(8 * 9, 6),
    ).double()  # fmt: skip


def group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(2, channels)


def gradients(module: nn.Module, loss: nn.Module) -> list[Tensor]:
    return [p.grad for part in (module, loss) for p in part.parameters() if p.grad is not None]


@pytest.mark.parametrize("name", ["triplet", "ntxent", "arcface", "curricularface", "magface"])
@pytest.mark.parametrize("micro", [2, 5, 7])
def test_it_is_the_gradient_of_the_whole_batch(name: str, micro: int) -> None:
    torch.manual_seed(1)
    batch, labels = torch.randn(24, 3, 7, 7).double(), torch.arange(24) // 4
    whole = network(norm=group_norm)
    loss = create_loss(name, num_classes=6, embedding_dim=6).double()
    parted, other = copy.deepcopy(whole), copy.deepcopy(loss)
    value = loss(whole(batch), labels)
    value.backward()

    cache = GradientCache(parted, parted, micro_batches(24, micro))
    embeddings = cache.embed_all(batch).requires_grad_()
    again = other(embeddings, labels)
    again.backward()
    cache.backward(embeddings.grad)

    assert abs(float((value - again).detach())) < 1e-9
    pairs = list(zip(gradients(whole, loss), gradients(parted, other), strict=True))
    assert pairs
    for left, right in pairs:
        assert float((left - right).abs().max()) < 1e-9


def test_dropout_draws_the_same_masks_again() -> None:
    """The random numbers of each piece, replayed by hand in one graph."""
    batch, labels = torch.randn(20, 3, 7, 7).double(), torch.arange(20) // 4
    whole = network(norm=group_norm, dropout=0.5)
    parted = copy.deepcopy(whole)
    loss = create_loss("supcon", num_classes=5, embedding_dim=6)

    torch.manual_seed(3)
    loss(torch.cat([whole(piece) for piece in batch.tensor_split(3)]), labels).backward()
    after = torch.rand(1)

    torch.manual_seed(3)
    cache = GradientCache(parted, parted, micro_batches(20, 7))
    embeddings = cache.embed_all(batch).requires_grad_()
    loss(embeddings, labels).backward()
    cache.backward(embeddings.grad)
    assert torch.equal(after, torch.rand(1))
    for left, right in zip(gradients(whole, loss), gradients(parted, loss), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-12)


def test_running_averages_move_once_a_piece() -> None:
    batch = torch.randn(12, 3, 7, 7).double()
    one, other = network(norm=nn.BatchNorm2d), network(norm=nn.BatchNorm2d)
    for piece in batch.tensor_split(3):
        one(piece)
    cache = GradientCache(other, other, micro_batches(12, 4))
    embeddings = cache.embed_all(batch)
    assert int(other[1].num_batches_tracked) == 0
    cache.backward(torch.ones_like(embeddings))
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


@pytest.mark.parametrize(
    ("count", "micro", "expected"),
    [(10, 4, 3), (10, 5, 2), (5, 2, 2), (3, 2, 1), (2, 2, 1), (4096, 64, 64), (7, 1, 3)],
)
def test_no_piece_is_of_one_photo(count: int, micro: int, expected: int) -> None:
    assert micro_batches(count, micro) == expected
    sizes = [len(piece) for piece in torch.zeros(count).tensor_split(micro_batches(count, micro))]
    assert min(sizes) >= 2
    assert max(sizes) <= max(micro, 3)


HUGE = """
import torch
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.setup.build import network_of, loss_of
from likewise.training.trainer import Trainer

recipe = recipe_with(Recipe(), ["model.name=contrastnet", "input.height=32", "input.width=32",
    "model.embedding_dim=32", "training.device=cpu", "loss.name=ntxent", "batch.micro=64"])
trainer = Trainer(recipe, network_of(recipe).train(), loss_of(recipe, 10),
                  recipe.input.preprocess(), torch.device("cpu"))
widest = []
trainer.module.register_forward_pre_hook(lambda _, inputs: widest.append(len(inputs[0])))

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024

small = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
trainer.step(small, torch.arange(64) // 4, 10)
pixels = small.repeat(64, 1, 1, 1)
before = peak()
value, _ = trainer.step(pixels, torch.arange(4096) // 4, 10)
print(float(value), max(widest[1:]), len(widest[1:]), peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_a_batch_of_4096_fits_where_64_do() -> None:
    """All at once it takes 1,100 MiB more than 64 do; so it takes 430, mostly the loss's own."""
    run = subprocess.run(
        [sys.executable, "-c", HUGE], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float(run[0]) > 0
    assert (int(run[1]), int(run[2])) == (64, 128)
    assert int(run[3]) < 600 * 2**20, f"{int(run[3]) / 2**20:.0f} MiB"
