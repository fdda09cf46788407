"""Trained weights in files of timm, torchvision and DINOv2, and the input that they expect."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from PIL import ImageFilter
from safetensors.torch import save_file
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from torch import nn
from torchvision.models import VisionTransformer
from torchvision.models.resnet import BasicBlock, ResNet

import likewise
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError
from likewise.models.backbones import timm_weights
from likewise.models.backbones.timm_backbone import TimmBackbone
from likewise.models.backbones.timm_input import timm_preprocess
from likewise.models.backbones.timm_weights import trunk_weights
from likewise.models.importing import import_weights
from likewise.models.registry import Backbone
from likewise.models.state_dict import read_state_dict
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.setup.build import network_of
from likewise.training.setup.network_choice import with_network
from tests.cli.test_commands import run
from tests.conftest import draw_person

create: Any = timm.create_model
data_config: Any = resolve_model_data_config
VIT: dict[str, Any] = {"depth": 2, "embed_dim": 48, "num_heads": 2}
RESNET: dict[str, Any] = {"layers": [1, 1, 1, 1]}
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def backbone(name: str, settings: dict[str, Any], channels: int = 3) -> TimmBackbone:
    torch.manual_seed(1)
    return TimmBackbone(
        name, height=32, width=32, channels=channels, embedding_dim=16, **settings
    ).eval()


def loaded(name: str, settings: dict[str, Any], file: Path) -> tuple[TimmBackbone, list[str]]:
    module = backbone(name, settings)
    state, left_out = trunk_weights(module, read_state_dict(file), str(file))
    missing = module.load_state_dict(state, strict=False).missing_keys
    assert all(not key.startswith("trunk.") for key in missing)
    return module, left_out


@pytest.mark.parametrize(
    ("name", "settings", "classifier"),
    [("vit_tiny_patch16_224", VIT, "head"), ("resnet18", RESNET, "fc")],
)
def test_a_file_of_timm(
    name: str, settings: dict[str, Any], classifier: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    size = {"img_size": 32} if name.startswith("vit") else {}
    original = create(name, num_classes=7, **size, **settings).eval()
    save_file(original.state_dict(), tmp_path / "w.safetensors")
    module, left_out = loaded(name, settings, tmp_path / "w.safetensors")
    assert left_out == [f"{classifier}.bias", f"{classifier}.weight"]
    original.reset_classifier(0)
    with torch.no_grad():
        assert torch.equal(module.trunk(IMAGES), original(IMAGES))


def test_a_resnet_of_torchvision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=7).eval()
    torch.save(original.state_dict(), tmp_path / "w.pth")
    module, left_out = loaded("resnet18", RESNET, tmp_path / "w.pth")
    assert left_out == ["fc.weight", "fc.bias"]
    original.fc = nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(module.trunk(IMAGES), original(IMAGES))


def test_a_vision_transformer_of_torchvision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = VisionTransformer(32, 16, 2, 2, 48, 192, num_classes=7).eval()
    torch.save(original.state_dict(), tmp_path / "w.pth")
    module, left_out = loaded("vit_tiny_patch16_224", VIT, tmp_path / "w.pth")
    assert left_out == ["head.weight", "head.bias"]
    original.heads = nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(module.trunk(IMAGES), original(IMAGES), rtol=1e-4, atol=1e-5)


def test_dinov2_in_another_size_as_timm_loads_it(tmp_path: Path) -> None:
    # DINOv2's files have a mask token, and position embeddings of a larger photo.
    name, size = "vit_small_patch14_dinov2", {"img_size": 28}
    torch.manual_seed(0)
    larger = create(name, num_classes=0, img_size=70, **VIT)
    state = {**larger.state_dict(), "mask_token": torch.zeros(1, 48)}
    torch.save(state, tmp_path / "w.pth")
    by_timm = create(
        name, pretrained=True, num_classes=0, **size, **VIT,
        pretrained_cfg_overlay={"file": str(tmp_path / "w.pth")},
    ).eval()  # fmt: skip
    module = TimmBackbone(name, height=28, width=28, embedding_dim=16, **VIT).eval()
    state, _ = trunk_weights(module, read_state_dict(tmp_path / "w.pth"), "w.pth")
    module.load_state_dict(state, strict=False)
    with torch.no_grad():
        images = IMAGES[:, :, :28, :28]
        assert torch.equal(module.trunk(images), by_timm(images))


def test_grey_photos_get_the_sum_over_the_colours() -> None:
    torch.manual_seed(0)
    original = create("resnet18", num_classes=0, **RESNET).eval()
    module = backbone("resnet18", RESNET, channels=1)
    state, _ = trunk_weights(module, original.state_dict(), "w")
    module.load_state_dict(state, strict=False)
    grey = IMAGES[:, :1]
    with torch.no_grad():
        got, wanted = module.trunk(grey), original(grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_the_features_of_a_file_are_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    original = create("resnet10t", num_classes=7).eval()
    save_file(original.state_dict(), tmp_path / "w.safetensors")
    code, out, error = run(
        capsys, "models", "import", tmp_path / "w.safetensors", "--backbone", "resnet10t",
        "--out", tmp_path / "m", "--size", "64x96",
    )  # fmt: skip
    assert (code, "embeddings of dimension 512" in out) == (0, True), error
    back = likewise.load(tmp_path / "m")
    assert back.preprocess == replace(timm_preprocess("resnet10t"), height=64, width=96)
    photo = draw_person(0, 0)
    images = back.preprocess.normalise(back.preprocess.pixels(photo)[None])
    original.reset_classifier(0)
    with torch.inference_mode():
        wanted = original(images).numpy()
    assert np.array_equal(back.embed(photo, normalize=False), wanted)
    with pytest.raises(InputError, match="not the weights of resnet18 of timm: "):
        import_weights(tmp_path / "w.safetensors", Backbone("resnet18"), Preprocess())


def recipe(*settings: str) -> Recipe:
    base = ["model.name=resnet18", "model.settings={layers: [1, 1, 1, 1]}"]
    return recipe_with(Recipe(), [*base, *settings])


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    other = create("vit_tiny_patch16_224", num_classes=0, img_size=32, **VIT)
    save_file(other.state_dict(), tmp_path / "w.safetensors")
    wrong = recipe(f"model.weights={tmp_path / 'w.safetensors'}", "input.height=32")
    with pytest.raises(InputError, match=r"does not fit resnet18: trunk.conv1.weight \(missing\)"):
        network_of(with_network(wrong))


def test_one_weight_that_does_not_fit_is_named(tmp_path: Path) -> None:
    state = create("resnet18", num_classes=0, **RESNET).state_dict()
    state["layer1.0.conv1.weight"] = torch.zeros(2, 2)
    torch.save(state, tmp_path / "w.pth")
    wrong = recipe(f"model.weights={tmp_path / 'w.pth'}", "input.height=32", "input.width=32")
    with pytest.raises(
        InputError,
        match=r"trunk.layer1.0.conv1.weight \(\[2, 2\], not \[64, 64, 3, 3\]\); initialize these",
    ):
        network_of(with_network(wrong))


def test_without_a_network_the_hub_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_address(*_: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    monkeypatch.setattr(timm_weights, "getproxies", dict)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    chosen = recipe("model.pretrained=true", "input.height=32", "input.width=32")
    asked: list[bool] = []  # whether the hub's library was told not to try, for a minute
    load: Any = timm.models._builder.load_pretrained

    def recorded(*args: Any, **options: Any) -> None:
        asked.append(constants.HF_HUB_OFFLINE)
        load(*args, **options)

    monkeypatch.setattr("timm.models._builder.load_pretrained", recorded)
    before = constants.HF_HUB_OFFLINE
    with pytest.raises(LikewiseError) as caught:
        network_of(with_network(chosen))
    assert str(caught.value) == (
        "model.pretrained: the weights of resnet18 cannot be fetched (huggingface.co cannot be "
        "reached, and the cache does not have them); without a network, bring their file: "
        "model.weights=FILE with model.pretrained=false"
    )
    assert asked == [True]
    assert before == constants.HF_HUB_OFFLINE


def test_an_error_of_the_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ConnectionError("429: too many requests\nand more")

    monkeypatch.setattr("timm.models._builder.load_pretrained", broken)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
    with pytest.raises(LikewiseError, match=r"cannot be fetched \(429: too many requests\); with"):
        network_of(with_network(recipe("model.pretrained=true", "input.height=32")))


def test_weights_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    original = create("resnet18", num_classes=0, **RESNET)

    def at_hand(model: nn.Module, **_: Any) -> None:
        model.load_state_dict(original.state_dict())

    monkeypatch.setattr("timm.models._builder.load_pretrained", at_hand)
    module = network_of(with_network(recipe("model.pretrained=true", "input.height=32")))
    assert isinstance(module, TimmBackbone)
    assert torch.equal(module.trunk.state_dict()["conv1.weight"], original.conv1.weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model.name=iresnet18"], "is for networks of timm, and model.name is iresnet18"),
        (["model.weights=w.pth"], "model.pretrained: true, and model.weights=w.pth"),
        (["model.name=test_nothing"], "unknown name 'test_nothing'"),
    ],
)
def test_pretrained_is_for_timm(settings: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        network_of(with_network(recipe_with(recipe(), ["model.pretrained=true", *settings])))


@pytest.mark.parametrize(
    "name", ["resnet50", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"]
)
def test_the_input_is_that_of_timm(name: str) -> None:
    photo = draw_person(1, 0, size=300).resize((400, 320)).filter(ImageFilter.GaussianBlur(6))
    config = data_config(create(name, num_classes=0))
    wanted = create_transform(**config, is_training=False)(photo)
    used = timm_preprocess(name)
    got = used.normalise(used.pixels(photo)[None])[0]
    assert got.shape == wanted.shape
    # timm resizes to a whole number of pixels before it crops; the photo is smooth.
    assert float((got - wanted).abs().mean()) < 0.02
    whole = replace(used, crop=1.0)
    assert float((whole.normalise(whole.pixels(photo)[None])[0] - wanted).abs().mean()) > 0.03


def test_the_recipe_overrides_the_input_of_timm() -> None:
    chosen = with_network(recipe("model.pretrained=true"))
    assert chosen.input.preprocess() == timm_preprocess("resnet18")
    own = with_network(
        recipe(
            "model.pretrained=true", "input.mean=[0.4]", "input.interpolation=bilinear",
            "input.height=64", "input.width=48",
        )
    )  # fmt: skip
    used = own.input.preprocess()
    assert (used.height, used.width, used.mean, used.interpolation) == (
        64,
        48,
        (0.4,) * 3,
        "bilinear",
    )
    assert used.std == timm_preprocess("resnet18").std
    grey = with_network(recipe("model.pretrained=true", "input.channels=1")).input.preprocess()
    assert grey.mean == pytest.approx((sum((0.485, 0.456, 0.406)) / 3,))


def test_without_trained_weights_the_input_stays() -> None:
    assert with_network(recipe()).input.preprocess() == Preprocess(112, 112)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["input.mean=[0.1, 0.2]"], "input.mean: 2 values for 3 channels"),
        (["input.std=[0]"], "input.std"),
        (["input.crop=2"], "input.crop"),
    ],
)
def test_a_wrong_input_is_refused(settings: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_with(Recipe(), settings).input.preprocess()
