"""The embedder: its computation, saving and loading, damage and crashes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import likewise
from likewise.data.formats import read_manifest
from likewise.data.images import BadImage
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError
from likewise.models.embedder import Embedder
from likewise.models.operating_point import OperatingPoint
from likewise.models.registry import Backbone, create_backbone
from likewise.models.saving import CONFIG, WEIGHTS


def fresh(seed: int = 0, **options: object) -> Embedder:
    torch.manual_seed(seed)
    backbone = Backbone("contrastnet", 16)
    module = create_backbone(backbone, height=32, width=32)
    return Embedder(module, Preprocess(32, 32), backbone, **options)


def test_embedding_is_the_network_on_preprocessed_pixels(photos: Path) -> None:
    embedder, path = fresh(), photos / "anna" / "0.png"
    pixels = embedder.preprocess.pixels(path)
    with torch.no_grad():
        raw = embedder.module((pixels[None].float() / 255 - 0.5) / 0.5)[0].numpy()
    np.testing.assert_allclose(embedder.embed(path, normalize=False)[0], raw, atol=1e-5)
    np.testing.assert_allclose(embedder.embed(path)[0], raw / np.linalg.norm(raw), atol=1e-5)
    with torch.no_grad():
        mirrored = embedder.module((pixels.flip(2)[None].float() / 255 - 0.5) / 0.5)[0].numpy()
    both = raw + mirrored
    np.testing.assert_allclose(
        embedder.embed(path, flip=True)[0], both / np.linalg.norm(both), atol=1e-5
    )


def test_every_kind_of_source_gives_the_same(photos: Path) -> None:
    embedder, path = fresh(), photos / "bob" / "1.png"
    with Image.open(path) as image:
        sources = [path, str(path), path.read_bytes(), image.copy(), np.asarray(image)]
    vectors = embedder.embed(sources)
    np.testing.assert_allclose(vectors, vectors[:1].repeat(5, 0), atol=1e-6)
    assert embedder.embed([]).shape == (0, 16)


def test_the_batch_size_does_not_matter(photos: Path) -> None:
    embedder, files = fresh(), list(read_manifest(photos).photos())
    np.testing.assert_allclose(
        embedder.embed(files, batch_size=5), embedder.embed(files, batch_size=64), atol=1e-5
    )


def test_broken_photos_are_refused_or_left_out(photos: Path) -> None:
    (photos / "bob" / "1.png").write_text("no photo")
    embedder, manifest = fresh(), read_manifest(photos)
    with pytest.raises(BadImage, match="1.png: not an image"):
        embedder.embed_manifest(manifest)
    embeddings, bad = embedder.embed_manifest(manifest, on_bad_image="skip", batch_size=4)
    assert [Path(b.name).name for b in bad] == ["1.png"]
    assert len(embeddings) == 11
    assert "bob/1.png" not in embeddings.names
    row = embeddings.names.index("bob/2.png")
    np.testing.assert_allclose(
        embeddings.vectors[row], embedder.embed(photos / "bob" / "2.png")[0], atol=1e-5
    )


def test_save_and_load(tmp_path: Path, photos: Path) -> None:
    point = OperatingPoint(0.4, 0.001, 0.9, 100, 1000)
    embedder = fresh(operating_point=point, identities=["a", "b"], about={"Loss": "cosface"})
    embedder.save(tmp_path / "m")
    back = likewise.load(tmp_path / "m")
    assert back.fingerprint == embedder.fingerprint
    assert back.operating_point == point
    assert back.identities == ["a", "b"]
    files = list(read_manifest(photos).photos())
    np.testing.assert_array_equal(back.embed(files), embedder.embed(files))
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text()
    assert "0.4000" in card
    assert embedder.fingerprint in card


def test_a_model_without_calibration_loads(tmp_path: Path) -> None:
    point = OperatingPoint(0.4, 0.001, 0.9, 100, 1000)
    fresh(operating_point=point).save(tmp_path / "m")
    config = json.loads((tmp_path / "m" / CONFIG).read_text())
    for key in ("operating_points", "calibration"):
        del config[key]
    old = ("threshold", "far", "tar", "genuine", "impostor")
    config["operating_point"] = {key: config["operating_point"][key] for key in old}
    (tmp_path / "m" / CONFIG).write_text(json.dumps(config))
    back = likewise.load(tmp_path / "m")
    assert (back.operating_point, back.operating_points) == (point, (point,))
    assert back.calibration is None
    config["operating_point"]["threshold"] = None
    config["operating_points"] = ["nonsense"]
    (tmp_path / "m" / CONFIG).write_text(json.dumps(config))
    with pytest.raises(InputError, match="operating_point: cannot be read"):
        likewise.load(tmp_path / "m")


def test_a_crash_while_saving_leaves_a_model(tmp_path: Path) -> None:
    old, new = fresh(0), fresh(1)
    old.save(tmp_path / "old")
    new.save(tmp_path / "new")
    # The new weights are in place, the old configuration still stands beside them.
    shutil.copy(tmp_path / "new" / WEIGHTS, tmp_path / "old" / WEIGHTS)
    assert likewise.load(tmp_path / "old").fingerprint == new.fingerprint
    (tmp_path / "old" / CONFIG).unlink()
    assert likewise.load(tmp_path / "old").fingerprint == new.fingerprint


def test_damage_is_detected(tmp_path: Path) -> None:
    fresh().save(tmp_path / "m")
    weights = tmp_path / "m" / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged"):
        likewise.load(tmp_path / "m")
    weights.write_bytes(bytes(content[:1000]))
    with pytest.raises(InputError, match="safetensors"):
        likewise.load(tmp_path / "m")
    (tmp_path / "m" / CONFIG).write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        likewise.load(tmp_path / "m")
    (tmp_path / "m" / CONFIG).write_text(json.dumps({"format": 99}))
    with pytest.raises(InputError, match="format 1"):
        likewise.load(tmp_path / "m")


@pytest.mark.parametrize("name", ["nowhere", "a folder/with/parts"])
def test_a_missing_model(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        likewise.load(tmp_path / name)
    with pytest.raises(InputError, match="holds no model"):
        likewise.load(tmp_path)


def test_a_hub_id_is_looked_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fresh().save(tmp_path / "m")
    asked = []

    def download(name: str, **_: object) -> str:
        asked.append(name)
        return str(tmp_path / "m")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert likewise.load("someone/faces").fingerprint == fresh().fingerprint
    assert asked == ["someone/faces"]

    def offline(name: str, **_: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(LikewiseError, match="cannot be downloaded from the hub"):
        likewise.load("someone/faces")


def test_fingerprints_tell_weights_and_preprocessing_apart() -> None:
    one = fresh()
    other = Embedder(one.module, Preprocess(32, 32, fit="pad"), one.backbone)
    assert len({one.fingerprint, other.fingerprint, fresh(1).fingerprint}) == 3
    assert one.fingerprint == fresh().fingerprint


def test_training_changes_the_fingerprint(tmp_path: Path) -> None:
    embedder = fresh()
    before = embedder.fingerprint
    with torch.no_grad():
        next(embedder.module.parameters()).mul_(2)
    assert embedder.fingerprint != before
    assert likewise.load(embedder.save(tmp_path / "model")).fingerprint == embedder.fingerprint


def test_outputs_that_are_not_finite_are_refused(photos: Path) -> None:
    embedder = fresh()
    with torch.no_grad():
        next(embedder.module.parameters()).fill_(float("nan"))
    with pytest.raises(LikewiseError, match="not finite"):
        embedder.embed(photos / "anna" / "0.png")


class OwnNetwork(nn.Module):
    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 8 * 8, 4).to(dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.fc(x.flatten(1).to(self.fc.weight.dtype))
        return embedding


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_custom_network_is_loaded_with_its_module(dtype: torch.dtype, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)
    embedder = Embedder(OwnNetwork(dtype), Preprocess(8, 8))
    embedder.save(tmp_path / "m")
    back = likewise.load(tmp_path / "m", module=OwnNetwork(dtype))
    np.testing.assert_array_equal(back.embed(images), embedder.embed(images))
    assert back.fingerprint == embedder.fingerprint
    captured = likewise.load(tmp_path / "m")  # without its class
    assert captured.fingerprint == embedder.fingerprint
    np.testing.assert_array_equal(captured.embed(images), embedder.embed(images))
    with pytest.raises(InputError, match="not the weights of Linear"):
        likewise.load(tmp_path / "m", module=nn.Linear(2, 2))


def test_a_network_that_was_built_by_its_name_is_saved_by_it(tmp_path: Path) -> None:
    network = create_backbone("contrastnet", embedding_dim=16, height=32, width=32, features=8)
    Embedder(network, Preprocess(32, 32)).save(tmp_path / "m")
    back = likewise.load(tmp_path / "m")
    assert back.backbone == Backbone("contrastnet", 16, settings={"features": 8})
    # Changed since then, it is another network.
    network.fc = nn.Sequential(network.fc, nn.Tanh())
    embedder = Embedder(network, Preprocess(32, 32))
    embedder.save(tmp_path / "changed")
    back = likewise.load(tmp_path / "changed")
    assert back.backbone is None
    assert back.fingerprint == embedder.fingerprint


class Counting(nn.Module):
    """A network that torch.export cannot capture: its output depends on a value in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 8 * 8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.fc(x.flatten(1))
        return embedding * 2 if float(x.sum()) > 0 else embedding


def test_a_network_that_cannot_be_captured_is_saved_with_its_weights(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = Embedder(Counting(), Preprocess(8, 8))
    embedder.save(tmp_path / "m")
    assert "torch.export cannot capture it" in caplog.text
    assert "module=Counting(…)" in (tmp_path / "m" / "MODEL_CARD.md").read_text()
    assert likewise.load(tmp_path / "m", module=Counting).fingerprint == embedder.fingerprint
    with pytest.raises(InputError, match=r"a class of its own, Counting; load it in Python"):
        likewise.load(tmp_path / "m")


def test_a_module_that_is_not_needed_is_refused(tmp_path: Path) -> None:
    fresh().save(tmp_path / "m")
    with pytest.raises(InputError, match="module: .* names its network itself; leave module out"):
        likewise.load(tmp_path / "m", module=OwnNetwork())
