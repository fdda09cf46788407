"""The stage of each weight in its network, for layer-wise learning rate decay."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from likewise.models.backbones.compactnet import CompactNet
from likewise.models.backbones.contrastnet import ContrastNet
from likewise.models.backbones.iresnet import IResNet
from likewise.models.backbones.mobilefacenet import MobileFaceNet
from likewise.models.backbones.timm_backbone import TimmBackbone

__all__ = ["stages_of"]

# Patterns of the parameter names of each stage, from the image to the embedding.
OWN: dict[type[nn.Module], tuple[str, ...]] = {
    IResNet: (
        r"(conv1|bn1|prelu)\.", r"layer1\.", r"layer2\.", r"layer3\.", r"layer4\.",
        r"(bn2|fc|features)\.",
    ),
    MobileFaceNet: (
        r"layers\.[01]\.", r"layers\.[23]\.", r"layers\.[45]\.", r"layers\.[67]\.",
        r"(conv_sep|features)\.",
    ),
    CompactNet: (
        r"body\.[0-2]\.", r"body\.[3-5]\.", r"body\.[6-8]\.", r"body\.(9|1[01])\.",
        r"(fc|features)\.",
    ),
    ContrastNet: (r"body\.[0-2]\.", r"body\.[3-6]\.", r"body\.[7-9]\.", r"(fc|features)\."),
}  # fmt: skip


def stages_of(module: nn.Module) -> dict[str, int]:
    """The stage of every parameter by its name: from 0, the stem, to the embedding.

    IResNet has a stem, four stages and the output; MobileFaceNet a stem, three stages that halve
    the size, and the output; CompactNet four convolutions and the output, ContrastNet three. A timm
    network has the parameter groups of timm (blocks of a transformer, stages of a convolutional
    network) and the output. In any other network each child module is a stage, in the order of
    their creation.

    Example:
        >>> from likewise.models.registry import Backbone, create_backbone
        >>> from likewise.models.backbones.stages import stages_of
        >>> net = create_backbone(Backbone("contrastnet", 32), height=32, width=32)
        >>> stages_of(net)
        {'body.0.weight': 0, 'body.1.weight': 0, 'body.1.bias': 0, 'body.3.weight': 1,
        'body.4.weight': 1, 'body.4.bias': 1, 'body.7.weight': 2, 'body.8.weight': 2,
        'body.8.bias': 2, 'fc.weight': 3}
    """
    names = [name for name, _ in module.named_parameters()]
    if type(module) in OWN:
        patterns = OWN[type(module)]
        return {
            name: next(stage for stage, p in enumerate(patterns) if re.match(p, name))
            for name in names
        }
    if isinstance(module, TimmBackbone) and hasattr(module.trunk, "group_matcher"):
        return _timm(module, names)
    children = list(dict.fromkeys(name.split(".")[0] for name in names))
    return {name: children.index(name.split(".")[0]) for name in names}


def _timm(module: TimmBackbone, names: list[str]) -> dict[str, int]:
    from timm.models import group_parameters

    matcher: Any = module.trunk.group_matcher
    group_of: dict[str, int] = group_parameters(
        module.trunk, matcher(coarse=True), reverse=True
    )  # by name
    used = sorted({group_of[name.removeprefix("trunk.")] for name in names if _in_trunk(name)})
    return {
        name: used.index(group_of[name.removeprefix("trunk.")]) if _in_trunk(name) else len(used)
        for name in names
    }


def _in_trunk(name: str) -> bool:
    return name.startswith("trunk.")
