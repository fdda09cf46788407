"""Normalisation over processes equals plain normalisation over the whole batch, both ways."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from likewise.models.synchronised_norm import (
    SynchronisedNorm1d,
    SynchronisedNorm2d,
    plain_norm,
    synchronise_norm,
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


def test_weights_and_names_stay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.BatchNorm1d(4))
    before = copy.deepcopy(network.state_dict())
    weight = network[1].weight
    synchronise_norm(network)
    assert [type(network[1]), type(network[3])] == [SynchronisedNorm2d, SynchronisedNorm1d]
    assert network[1].weight is weight
    assert network.state_dict().keys() == before.keys()
    plain_norm(network).load_state_dict(before)
    assert [type(network[1]), type(network[3])] == [nn.BatchNorm2d, nn.BatchNorm1d]


@pytest.mark.parametrize("training", [True, False])
def test_alone_it_is_plain(training: bool) -> None:
    plain = nn.BatchNorm1d(3).train(training)
    other = synchronise_norm(copy.deepcopy(plain))
    x = torch.randn(6, 3)
    assert torch.equal(plain(x), other(x))
