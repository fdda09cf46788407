"""The networks: published shapes and names, and input sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.backbones.iresnet import DEPTHS
from likewise.models.importing import import_weights
from likewise.models.registry import Backbone, create_backbone, list_backbones

OWN = ["compactnet", "contrastnet", *DEPTHS, "mobilefacenet", "mobilefacenet_large"]


def build(name: str, size: int = 112, dimension: int = 512) -> torch.nn.Module:
    return create_backbone(Backbone(name, dimension), height=size, width=size).eval()


@pytest.mark.parametrize(
    ("name", "millions"),
    # Counted on InsightFace's arcface_torch at 112×112 with 512 dimensions.
    [("iresnet18", 24.03), ("iresnet34", 34.14), ("iresnet50", 43.59), ("iresnet100", 65.16)],
)
def test_iresnet_has_the_published_size(name: str, millions: float) -> None:
    count = sum(p.numel() for p in build(name).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.01)


def test_iresnet_has_insightface_names() -> None:
    state = build("iresnet50").state_dict()
    shapes = {
        "conv1.weight": (64, 3, 3, 3),
        "bn1.running_mean": (64,),
        "prelu.weight": (64,),
        "layer1.0.bn1.weight": (64,),
        "layer1.0.downsample.0.weight": (64, 64, 1, 1),
        "layer1.0.downsample.1.running_var": (64,),
        "layer3.13.conv2.weight": (256, 256, 3, 3),
        "layer4.2.bn3.bias": (512,),
        "bn2.weight": (512,),
        "fc.weight": (512, 25088),
        "features.running_mean": (512,),
    }
    for name, shape in shapes.items():
        assert tuple(state[name].shape) == shape
    blocks = {name.rsplit(".", 2)[0] for name in state if name.startswith("layer3.")}
    assert len({b.split(".")[1] for b in blocks}) == 14
    assert {n.split(".")[0] for n in state} == {
        *("conv1", "bn1", "prelu", "layer1", "layer2", "layer3", "layer4", "bn2", "fc", "features")
    }


def test_mobilefacenet_has_insightface_names() -> None:
    state = build("mobilefacenet").state_dict()
    shapes = {
        "layers.0.layers.0.weight": (128, 3, 3, 3),
        "layers.1.layers.0.weight": (128, 2, 3, 3),
        "layers.1.layers.2.weight": (128,),
        "layers.2.layers.1.layers.0.weight": (128, 1, 3, 3),
        "layers.3.layers.3.layers.2.layers.1.bias": (128,),
        "layers.4.layers.2.layers.0.weight": (256, 256, 1, 1),
        "layers.7.layers.1.layers.0.layers.0.weight": (256, 256, 1, 1),
        "conv_sep.layers.0.weight": (512, 256, 1, 1),
        "features.layers.0.layers.0.weight": (512, 1, 7, 7),
        "features.layers.2.weight": (512, 512),
        "features.layers.3.running_var": (512,),
    }
    for name, shape in shapes.items():
        assert tuple(state[name].shape) == shape, name


@pytest.mark.parametrize("size", [28, 32, 45, 64])
@pytest.mark.parametrize("name", ["compactnet", "contrastnet", "iresnet18", "mobilefacenet"])
def test_small_inputs_work(name: str, size: int) -> None:
    module = create_backbone(Backbone(name, 64), height=size, width=size - 4, channels=1)
    out = module.train()(torch.randn(3, 1, size, size - 4))
    assert out.shape == (3, 64)
    out.square().sum().backward()
    assert all(p.grad is not None for p in module.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_any_timm_model_works(name: str) -> None:
    pytest.importorskip("timm")
    module = create_backbone(Backbone(name, 64), height=64, width=64, channels=1).eval()
    assert module(torch.randn(2, 1, 64, 64)).shape == (2, 64)
    assert name in list_backbones(name[:6] + "*")


def test_a_size_that_a_network_cannot_take_is_refused_by_name() -> None:
    pytest.importorskip("timm")
    with pytest.raises(InputError, match="vit_tiny_patch16_224"):
        create_backbone(Backbone("vit_tiny_patch16_224", 64), height=8, width=8)


def test_names() -> None:
    assert set(OWN) <= set(list_backbones())
    with pytest.raises(InputError, match="did you mean 'iresnet50'"):
        build("iresnet5O")
    with pytest.raises(InputError, match="embedding_dim"):
        Backbone("iresnet50", 0)


def save_as_insightface_does(path: Path, module: torch.nn.Module, prefix: str = "") -> None:
    torch.save({prefix + name: tensor for name, tensor in module.state_dict().items()}, path)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_pth_weights_load(tmp_path: Path, prefix: str) -> None:
    source = build("mobilefacenet", 56, 128)
    save_as_insightface_does(tmp_path / "backbone.pth", source, prefix)
    embedder = import_weights(
        tmp_path / "backbone.pth", Backbone("mobilefacenet", 128), Preprocess(56, 56)
    )
    x = torch.randn(2, 3, 56, 56)
    torch.testing.assert_close(embedder.module(x), source(x))


def test_pth_of_another_network_and_pickles_with_code_are_refused(tmp_path: Path) -> None:
    save_as_insightface_does(tmp_path / "b.pth", build("mobilefacenet", 56, 128))
    with pytest.raises(InputError, match="not the weights of iresnet18"):
        import_weights(tmp_path / "b.pth", Backbone("iresnet18", 128), Preprocess(56, 56))

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (tmp_path.joinpath("owned").touch, ("x",))

    torch.save({"conv1.weight": Hostile()}, tmp_path / "hostile.pth")
    (tmp_path / "text.pth").write_text("hello")
    for name in ("hostile.pth", "text.pth"):
        with pytest.raises(InputError, match="cannot be read as plain weights"):
            import_weights(tmp_path / name, Backbone("iresnet18", 128), Preprocess(56, 56))
    assert not (tmp_path / "owned").exists()
