"""Every weight has a stage, counted from the image, in networks of timm too."""

from __future__ import annotations

import pytest
from torch import nn

from likewise.models.backbones.stages import stages_of
from likewise.models.registry import Backbone, create_backbone


@pytest.mark.parametrize(
    ("name", "count", "some"),
    [
        ("iresnet18", 6, {"conv1.weight": 0, "layer3.1.bn2.bias": 3, "bn2.weight": 5}),
        ("iresnet50", 6, {"prelu.weight": 0, "layer3.13.conv1.weight": 3, "fc.bias": 5}),
        ("mobilefacenet", 5, {"layers.1.layers.0.weight": 0, "conv_sep.layers.0.weight": 4}),
        ("mobilefacenet_large", 5, {"layers.7.layers.3.layers.0.layers.1.bias": 3}),
        ("compactnet", 5, {"body.0.weight": 0, "body.10.bias": 3, "fc.weight": 4}),
        ("contrastnet", 4, {"body.0.weight": 0, "body.8.bias": 2, "fc.weight": 3}),
    ],
)
def test_networks_of_likewise(name: str, count: int, some: dict[str, int]) -> None:
    module = create_backbone(Backbone(name, 16), height=32, width=32)
    stages = stages_of(module)
    assert stages.keys() == dict(module.named_parameters()).keys()
    assert set(stages.values()) == set(range(count))
    assert {key: stages[key] for key in some} == some


@pytest.mark.parametrize(
    ("name", "count", "some"),
    [
        ("resnet18", 6, {"trunk.conv1.weight": 0, "trunk.layer4.1.bn2.bias": 4, "fc.weight": 5}),
        ("vit_tiny_patch16_224", 14, {"trunk.pos_embed": 0, "trunk.blocks.3.norm1.bias": 4}),
        ("convnext_atto", 7, {"trunk.stem.0.weight": 0, "features.bias": 6}),
    ],
)
def test_networks_of_timm(name: str, count: int, some: dict[str, int]) -> None:
    pytest.importorskip("timm")
    module = create_backbone(Backbone(name, 16), height=64, width=64)
    stages = stages_of(module)
    assert stages.keys() == dict(module.named_parameters()).keys()
    assert set(stages.values()) == set(range(count))
    assert {key: stages[key] for key in some} == some


def test_other_networks_have_their_children_as_stages() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Sequential(nn.Linear(2, 2)))
    assert stages_of(module) == {"0.weight": 0, "0.bias": 0, "2.0.weight": 1, "2.0.bias": 1}
    assert stages_of(nn.ReLU()) == {}
