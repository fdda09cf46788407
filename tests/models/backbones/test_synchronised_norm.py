"""Synchronised normalisation equals that of the whole batch, forward and backward."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from likewise.models.backbones import synchronised_norm as module
from likewise.models.backbones.synchronised_norm import (
    SynchronisedNorm1d,
    SynchronisedNorm2d,
    plain_norm,
    synchronise_norm,
    torch_synchronises,
)
from tests.gloo import together

SHARES = [slice(0, 5), slice(5, 5), slice(5, 12)]  # uneven, and one with nothing
NORMS = {
    "2d": (lambda: nn.BatchNorm2d(3), (12, 3, 4, 5)),
    "1d": (lambda: nn.BatchNorm1d(6), (12, 6)),
    "sequence": (lambda: nn.BatchNorm1d(4), (12, 4, 7)),
    "plain": (lambda: nn.BatchNorm1d(6, affine=False), (12, 6)),
    "cumulative": (lambda: nn.BatchNorm1d(6, momentum=None), (12, 6)),
    "untracked": (lambda: nn.BatchNorm2d(3, track_running_stats=False), (12, 3, 4, 5)),
}


def steps(name: str, share: slice, synchronised: bool) -> dict[str, Tensor]:
    torch.manual_seed(3)
    build, shape = NORMS[name]
    norm = build().double()
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    if synchronised:
        synchronise_norm(norm)
    results: dict[str, Tensor] = {}
    for number in range(3):
        # A mean far from zero: sums of squares alone would lose it.
        whole = 1000 + torch.randn(shape, dtype=torch.float64)
        upstream = torch.randn(shape, dtype=torch.float64)
        x = whole[share].requires_grad_()
        y = norm(x)
        (y * upstream[share]).sum().backward()
        assert x.grad is not None
        results |= {f"y{number}": y.detach(), f"x{number}": x.grad}
    results |= {f"grad {n}": p.grad for n, p in norm.named_parameters() if p.grad is not None}
    return results | dict(norm.state_dict())


def work(rank: int, world: int) -> dict[str, Any]:
    half = synchronise_norm(nn.BatchNorm1d(2))(torch.randn(4, 2, dtype=torch.bfloat16))
    assert half.dtype == torch.bfloat16
    return {name: steps(name, SHARES[rank], synchronised=True) for name in NORMS}


def test_it_equals_the_whole_batch(tmp_path: Path) -> None:
    shares = together(work, len(SHARES), tmp_path)
    for name in NORMS:
        alone = steps(name, slice(None), synchronised=False)
        for key, tensor in alone.items():
            parts = [share[name][key] for share in shares]
            if key[0] in "xy":
                found = torch.cat(parts)
            elif key.startswith("grad"):
                found = torch.stack(parts).sum(0)
            else:
                assert all(torch.equal(part, parts[0]) for part in parts)
                found = parts[0]
            torch.testing.assert_close(found, tensor, rtol=1e-9, atol=1e-9, msg=f"{name} {key}")


def test_weights_and_names_are_kept() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.BatchNorm1d(4))
    before = copy.deepcopy(network.state_dict())
    weight = network[1].weight
    synchronise_norm(network)
    assert [type(network[1]), type(network[3])] == [SynchronisedNorm2d, SynchronisedNorm1d]
    assert network[1].weight is weight
    assert network.state_dict().keys() == before.keys()
    plain_norm(network).load_state_dict(before)
    assert [type(network[1]), type(network[3])] == [nn.BatchNorm2d, nn.BatchNorm1d]


def test_a_norm_with_activation_is_synchronised(caplog: pytest.LogCaptureFixture) -> None:
    layers = pytest.importorskip("timm.layers")
    plain = layers.BatchNormAct2d(3)
    other = synchronise_norm(copy.deepcopy(plain))
    assert other.state_dict().keys() == plain.state_dict().keys()
    x = torch.randn(5, 3, 2, 2)
    assert torch.equal(plain(x), other(x))
    assert float(other(x).detach().min()) >= 0
    assert type(plain_norm(copy.deepcopy(other))) is type(plain)
    synchronise_norm(nn.BatchNorm3d(2))
    assert "normalized within each process" in caplog.text


@pytest.mark.parametrize("training", [True, False])
def test_a_single_process_normalises_plainly(training: bool) -> None:
    plain = nn.BatchNorm1d(3).train(training)
    other = synchronise_norm(copy.deepcopy(plain))
    x = torch.randn(6, 3)
    assert torch.equal(plain(x), other(x))


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes with the same photos, so that each knows those of the other."""

    def gather(shares: list[Tensor], own: Tensor) -> None:
        for share in shares:
            share.copy_(own)

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda *_: 2)
    monkeypatch.setattr(dist, "all_gather", gather)
    monkeypatch.setattr(dist, "all_reduce", lambda x: x.mul_(2))


def kept(norm: nn.Module, x: Tensor) -> dict[torch.dtype, int]:
    """The number of values that a forward pass saves for the backward pass, by type."""
    counts: dict[torch.dtype, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        norm(x)
    return counts


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_the_backward_pass_saves_the_type_of_the_input(half: torch.dtype) -> None:
    x = torch.randn(8, 3, 16, 16).to(half).requires_grad_()
    found = kept(synchronise_norm(nn.BatchNorm2d(3)), x)
    assert found[half] == x.numel()
    assert found[torch.float32] <= 4 * 3 + 1  # a few numbers a channel


@pytest.mark.usefixtures("twins")
def test_half_precision_equals_plain_normalisation() -> None:
    torch.manual_seed(1)
    plain = nn.BatchNorm2d(3)
    for parameter in plain.parameters():
        nn.init.normal_(parameter)
    other = synchronise_norm(copy.deepcopy(plain))
    x = (3 + torch.randn(8, 3, 4, 4)).bfloat16()
    upstream = torch.randn(8, 3, 4, 4).bfloat16()
    twice, once = torch.cat([x, x]).requires_grad_(), x.clone().requires_grad_()
    (plain(twice) * torch.cat([upstream, upstream])).sum().backward()
    result = other(once)
    assert result.dtype == torch.bfloat16
    (result * upstream).sum().backward()
    assert twice.grad is not None
    torch.testing.assert_close(once.grad, twice.grad[:8], rtol=0.02, atol=0.02)
    for (_, p), (name, q) in zip(plain.named_parameters(), other.named_parameters(), strict=True):
        torch.testing.assert_close(2 * q.grad, p.grad, rtol=0.01, atol=0.05, msg=name)


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize("name", ["BatchNorm2d", "BatchNormAct2d"])
def test_on_a_gpu_it_is_that_of_torch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {kind: torch_synchronises(torch.device(kind)) for kind in ("cpu", "cuda", "mps")}
    assert kinds == {"cpu": False, "cuda": True, "mps": False}
    build = getattr(nn, name, None) or getattr(pytest.importorskip("timm.layers"), name)
    norm = synchronise_norm(build(3))
    monkeypatch.setattr(module, "torch_synchronises", lambda _: True)
    x = torch.randn(4, 3, 2, 2)
    with pytest.raises(ValueError, match="SyncBatchNorm expected input tensor to be on GPU"):
        norm(x)  # torch's own forward pass, which here has only a CPU to see
    assert torch.equal(norm.eval()(x), plain_norm(copy.deepcopy(norm)).eval()(x))
