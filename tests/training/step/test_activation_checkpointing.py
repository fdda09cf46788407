"""Activation checkpointing: the same gradients and averages, from fewer activations."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.models.registry import Backbone, create_backbone
from likewise.training.step.activation_checkpointing import blocks_of, checkpoint_activations


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return create_backbone(Backbone(name, 16, dropout=0.2), height=32, width=32).train()


def held(module: nn.Module, images: Tensor) -> int:
    """Bytes that the graph of a forward pass keeps."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = sum(p.nbytes for p in module.parameters())
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        module(images)
    return sum(kept.values()) - weights


@pytest.mark.parametrize("name", ["iresnet18", "mobilefacenet", "resnet10t"])
def test_gradients_and_running_averages_are_the_same(name: str) -> None:
    if name == "resnet10t":
        pytest.importorskip("timm", reason="timm is an extra")
    plain = build(name)
    spared = copy.deepcopy(plain)
    assert checkpoint_activations(spared) == len(blocks_of(plain)) > 3
    images = torch.randn(4, 3, 32, 32)
    for module in (plain, spared):
        for seed in range(2):
            torch.manual_seed(seed)
            module(images).square().sum().backward()
    for (key, left), (_, right) in zip(
        plain.state_dict().items(), spared.state_dict().items(), strict=True
    ):
        assert torch.equal(left, right), key
    for left, right in zip(plain.parameters(), spared.parameters(), strict=True):
        if left.grad is not None:
            torch.testing.assert_close(right.grad, left.grad)
    assert held(spared, images) < 0.6 * held(plain, images)


def test_a_copy_runs_its_own_blocks() -> None:
    """The copy that evaluation gets must not call the network that is trained."""
    module = build("mobilefacenet")
    checkpoint_activations(module)
    module.eval()
    images = torch.randn(2, 3, 32, 32)
    twin = copy.deepcopy(module)
    before = twin(images)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert torch.equal(twin(images), before)
    assert all(block.forward.__self__ is block for block in blocks_of(twin).values())


def test_what_a_block_is() -> None:
    names = list(blocks_of(build("iresnet18")))
    assert names == [f"layer{stage}.{block}" for stage in range(1, 5) for block in range(2)]
    inner = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert list(blocks_of(nn.Sequential(nn.Linear(2, 2), nn.Sequential(inner)))) == ["1.0"]


def test_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(InputError, match=r"training.checkpoint_activations: .* no repeated blocks"):
        checkpoint_activations(build("contrastnet"))
