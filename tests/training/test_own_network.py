"""Networks of your own and timm's with trained weights: trained, saved, loaded to the same bits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

import likewise
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models import factory, registry
from likewise.models.embedder import Embedder
from likewise.models.factory import ALLOW
from likewise.models.graph.captured import CapturedNetwork
from likewise.models.registration import register_backbone
from likewise.models.registry import create_backbone
from likewise.training.recipe.recipe import load_recipe
from likewise.training.run import train
from tests.cli.test_commands import run
from tests.conftest import make_photos, quick_recipe

MODULE = """
from torch import nn


def small(embedding_dim, channels, width_of_first=4):
    return nn.Sequential(
        nn.Conv2d(channels, width_of_first, 3, stride=2), nn.BatchNorm2d(width_of_first), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * width_of_first, embedding_dim),
    )
"""
SHORT = ("schedule.epochs=1", "input.height=32", "input.width=32", "data.workers=0",
         "batch.sampler=balanced", "batch.identities=3", "batch.images=2",
         "data.val_identities=0", "training.device=cpu")  # fmt: skip
create: Any = timm.create_model


class InThisTest(nn.Module):
    """A network with embeddings of 24 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5, stride=4)
        self.norm = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6 * 7 * 7, 24)

    def forward(self, x: Tensor) -> Tensor:
        embedding: Tensor = self.fc(self.norm(self.conv(x)).relu().flatten(1))
        return embedding


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a factory in a module that Likewise does not know."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_nets_of_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    yield "my_nets_of_test:small"
    forget("my_nets_of_test")


def forget(module: str) -> None:
    """As in a new process."""
    sys.modules.pop(module, None)
    for place in [place for place in factory._known if place.startswith(f"{module}:")]:
        del factory._known[place]


def embedded(model: Path, photos: Path, **options: Any) -> np.ndarray:
    return likewise.load(model, **options).embed(sorted(photos.rglob("*.png")))


def test_a_factory_outside_of_the_package(photos: Path, outside: str, tmp_path: Path) -> None:
    settings = [*SHORT, "model.embedding_dim=16", "model.settings={width_of_first: 5}"]
    done = train(photos, tmp_path / "run", settings=settings, model=outside)
    vectors = embedded(done.model, photos)  # the user has named it in this process
    forget("my_nets_of_test")
    with pytest.raises(InputError) as caught:
        likewise.load(done.model)
    assert str(caught.value) == (
        f"{done.model}: its network is made by my_nets_of_test:small, and to import "
        "my_nets_of_test is to run its code; if you trust it: likewise.load(…, "
        "allow='my_nets_of_test'), or set "
        "LIKEWISE_ALLOW=my_nets_of_test"
    )
    assert "my_nets_of_test" not in sys.modules
    again = likewise.load(done.model, allow="my_nets_of_test")
    np.testing.assert_array_equal(again.embed(sorted(photos.rglob("*.png"))), vectors)
    assert again.module[0].out_channels == 5  # type: ignore[index]  # a Sequential
    assert load_recipe(done.folder / "recipe.yaml").model.name == outside


def test_the_environment_allows_a_module(
    photos: Path, outside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = create_backbone(outside, embedding_dim=8, height=32, width=32)
    Embedder(network, Preprocess(32, 32)).save(tmp_path / "m")
    forget("my_nets_of_test")
    monkeypatch.setenv(ALLOW, "my_nets")  # another module
    with pytest.raises(InputError, match="if you trust it"):
        likewise.load(tmp_path / "m")
    monkeypatch.setenv(ALLOW, "other,my_nets_of_test")
    assert likewise.load(tmp_path / "m").dimension == 8


def test_the_command_line(
    outside: str,
    tmp_path: Path,
    photos: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "run"
    settings = [f"model.name={outside}", *SHORT]
    code, *_ = run(capsys, "train", photos, "--out", out, *(f"--set={text}" for text in settings))
    assert code == 0
    forget("my_nets_of_test")
    embed = ("embed", photos, "--out", tmp_path / "e.parquet", "--model", out / "model")
    code, _, error = run(capsys, *embed)
    assert code == 2
    assert "set LIKEWISE_ALLOW=my_nets_of_test" in error
    monkeypatch.setenv(ALLOW, "my_nets_of_test")
    code, *_ = run(capsys, *embed)
    assert code == 0


@pytest.mark.parametrize(
    "place", ["os:system", "subprocess:run", "my_nets_of_test:nn.os.system", "no_such_module:make"]
)
def test_what_makes_no_network_is_refused(place: str, outside: str) -> None:
    del outside
    with pytest.raises(InputError, match="backbone: "):
        create_backbone(place, embedding_dim=8)


def test_a_network_of_likewise_that_is_given_keeps_its_name(photos: Path, tmp_path: Path) -> None:
    network = create_backbone("contrastnet", embedding_dim=20, height=32, width=32)
    done = train(photos, tmp_path / "run", settings=list(SHORT), model=network)
    assert likewise.load(done.model).backbone == registry.Backbone("contrastnet", 20)


def test_several_processes_need_a_factory(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="several processes need the same initial weights"):
        train(photos, tmp_path / "run", settings=list(SHORT), model=InThisTest())


def test_a_network_of_a_test_alone(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = InThisTest()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    done = train(photos, tmp_path / "run", settings=list(SHORT), model=network)
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    back = likewise.load(done.model)
    assert isinstance(back.module, CapturedNetwork)
    assert back.dimension == 24  # measured
    own = likewise.load(done.model, module=InThisTest)
    assert own.fingerprint == back.fingerprint
    files = sorted(photos.rglob("*.png"))
    np.testing.assert_array_equal(own.embed(files), back.embed(files))
    assert not torch.equal(own.module.get_parameter("fc.weight"), before["fc.weight"])  # trained
    exported = likewise.export(done.model, tmp_path / "m.onnx")
    assert likewise.load(exported.path).fingerprint == back.fingerprint


def test_such_a_run_is_resumed_with_its_network(photos: Path, tmp_path: Path) -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return InThisTest()

    whole = train(photos, tmp_path / "a", settings=list(SHORT), model=network(), epochs=2)
    part = train(photos, tmp_path / "b", settings=list(SHORT), model=network(), epochs=1)
    with pytest.raises(InputError, match=r"its network <InThisTest> was given .* give it again"):
        train(photos, part.folder, resume=True, epochs=2)
    with pytest.raises(InputError, match="model: contrastnet, and the run in .* has the network <"):
        train(photos, part.folder, resume=True, epochs=2, model="contrastnet")
    train(photos, part.folder, resume=True, epochs=2, model=network())
    assert likewise.load(part.model).dimension == likewise.load(whole.model).dimension == 24
    assert not registry.GIVEN


def test_its_weights_start_another_run(photos: Path, tmp_path: Path) -> None:
    first = train(photos, tmp_path / "a", settings=list(SHORT), model=InThisTest())
    settings = [*SHORT, f"model.weights={first.model}", "optimizer.lr=1e-12"]
    second = train(photos, tmp_path / "b", settings=settings, model=InThisTest)
    a, b = (likewise.load(made.model, module=InThisTest).module for made in (first, second))
    torch.testing.assert_close(a.get_parameter("fc.weight"), b.get_parameter("fc.weight"))
    with pytest.raises(InputError, match=r"cannot build; give its class or its factory"):
        train(photos, tmp_path / "c", settings=list(SHORT), start=first.model)


def test_a_registered_network(photos: Path, tmp_path: Path) -> None:
    @register_backbone("own_of_test")
    def make(embedding_dim: int, depth: int = 1) -> nn.Module:
        layers = [nn.Linear(12, 12) for _ in range(depth)]
        pooled = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
        return nn.Sequential(pooled, *layers, nn.Linear(12, embedding_dim))

    try:
        settings = ["model.name=own_of_test", "model.settings={depth: 3}"]
        done = train(photos, tmp_path / "run", quick_recipe(*settings))
        assert len(likewise.load(done.model).module) == 5  # type: ignore[arg-type]  # a Sequential
        with pytest.raises(InputError, match="register_backbone: own_of_test: is taken"):
            register_backbone("own_of_test")(nn.Identity)
        with pytest.raises(InputError, match="own_of_test: takes no setting wide; it has depth"):
            create_backbone("own_of_test", wide=3)
    finally:
        del registry.REGISTERED["own_of_test"]
    with pytest.raises(InputError, match="unknown name 'own_of_test'"):
        likewise.load(done.model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "model: 3: must be a name, a torch.nn.Module, or a class or function"),
        (nn.Conv2d(3, 4, 3), r"gives \[1, 4, 30, 30\] for one photo"),
        (nn.Linear(5, 5), "cannot take 32×32"),
        (lambda: 3, "made a int, not a torch.nn.Module"),
    ],
)
def test_what_is_no_network_for_photos(
    model: Any, message: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        train(photos, tmp_path / "run", settings=list(SHORT), model=model)


def test_a_network_is_given_once(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model: the settings have model.name too"):
        train(photos, tmp_path / "r", settings=["model.name=sface"], model="contrastnet")
    with pytest.raises(InputError, match="model: start brings its own network"):
        train(photos, tmp_path / "r", start="sface", model="contrastnet")


@pytest.mark.parametrize(
    ("name", "settings", "size"),
    [
        ("resnet18", {"layers": [1, 1, 1, 1]}, {}),
        ("vit_tiny_patch16_224", {"depth": 2, "embed_dim": 48, "num_heads": 2}, {"img_size": 32}),
    ],
)
def test_timm_with_weights_of_a_file(
    name: str, settings: dict[str, Any], size: dict[str, Any], photos: Path, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    torch.manual_seed(0)
    original = create(name, num_classes=7, **size, **settings)
    save_file(original.state_dict(), tmp_path / "w.safetensors")
    done = train(
        photos, tmp_path / "run", model=name,
        settings=[
            *SHORT, f"model.settings={settings}", f"model.weights={tmp_path / 'w.safetensors'}",
            "model.freeze=['trunk.*']", "model.embedding_dim=16",
        ],
    )  # fmt: skip
    assert "left out 2 tensors that are not part of the network" in caplog.text
    trained = likewise.load(done.model)
    for key, tensor in trained.module.state_dict().items():
        if key.startswith("trunk.") and "num_batches" not in key:  # frozen: as in the file
            assert torch.equal(tensor, original.state_dict()[key.removeprefix("trunk.")])
    config = original.pretrained_cfg
    assert trained.preprocess.mean == config["mean"]
    assert trained.preprocess.interpolation == config["interpolation"]
    assert trained.preprocess.crop == config["crop_pct"]
    assert trained.preprocess.height == 32  # of the recipe
    files = sorted(photos.rglob("*.png"))
    trained.save(tmp_path / "copy")
    np.testing.assert_array_equal(
        likewise.load(tmp_path / "copy").embed(files), trained.embed(files)
    )


def test_photos_of_any_size_and_colour_train_together(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")

    for number, file in enumerate(sorted(photos.rglob("*.png"))):
        with Image.open(file) as image:
            changed = image.resize((40 + 9 * number, 60))
            (changed.convert("L") if number % 2 else changed).save(file)
    done = train(photos, tmp_path / "run", settings=list(SHORT), model=InThisTest)
    assert embedded(done.model, photos, module=InThisTest).shape == (12, 24)


def test_the_recipe_for_retrieval(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=8)
    torch.manual_seed(0)
    settings = {"layers": [1, 1, 1, 1]}
    original = create("resnet18", num_classes=7, **settings)
    torch.save(original.state_dict(), tmp_path / "w.pth")
    done = train(
        photos, tmp_path / "run", "retrieval", epochs=2,
        settings=[
            "model.name=resnet18", f"model.settings={settings}", "model.pretrained=false",
            f"model.weights={tmp_path / 'w.pth'}", "input.height=32", "input.width=32",
            "data.workers=0", "training.device=cpu", "batch.identities=4", "batch.images=2",
        ],
    )  # fmt: skip
    trained = likewise.load(done.model)
    assert trained.dimension == 512
    assert trained.preprocess.mean == original.pretrained_cfg["mean"]
    state = trained.module.state_dict()
    # The trunk is trained in the second epoch; the statistics stay those of the file.
    assert not torch.equal(state["trunk.conv1.weight"], original.conv1.weight)
    assert torch.equal(state["trunk.bn1.running_mean"], original.bn1.running_mean)
