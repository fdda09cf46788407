"""Embedders as ONNX: the numbers of ONNX Runtime alone, and the file as an embedder again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import likewise
from likewise.data.embeddings import require_same_embedder
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError
from likewise.models.calibration import Calibration
from likewise.models.embedder import Embedder
from likewise.models.export import export, exporting, parity, tracing
from likewise.models.operating_point import OperatingPoint
from likewise.models.registry import OWN, Backbone, create_backbone

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

SMALL = ("compactnet", "contrastnet", "mobilefacenet", "iresnet18")
BATCHES = (1, 7, 64)


def embedder_of(name: str, size: int = 32, channels: int = 3, **settings: object) -> Embedder:
    """An embedder with random weights, and running statistics that are not the initial ones."""
    torch.manual_seed(0)
    backbone = Backbone(name, 32)
    values = {"mean": (0.4, 0.5, 0.6)[:channels], "std": (0.2, 0.3, 0.25)[:channels], **settings}
    preprocess = Preprocess(size, size, channels, **values)
    module = create_backbone(backbone, height=size, width=size, channels=channels)
    module.train()
    for part in module.modules():
        if hasattr(part, "momentum"):
            part.momentum = 1.0  # the statistics of the batch: deep networks stay in range
    with torch.no_grad():
        module(torch.randn(8, channels, size, size))
    return Embedder(module, preprocess, backbone)


def session(path: Path) -> Any:  # onnxruntime carries no types
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def same_as_torch(embedder: Embedder, path: Path) -> None:
    """ONNX Runtime gives what the network gives, on inputs of another kind than those checked."""
    size = embedder.preprocess.height
    run = session(path)
    for batch in BATCHES:
        images = torch.randn(batch, embedder.preprocess.channels, size, size)
        with torch.no_grad():
            wanted = embedder.module(images).numpy()
        (got,) = run.run(None, {"image": images.numpy()})
        assert np.abs(unit(got) - unit(wanted)).max() < 1e-5
        lengths = (np.linalg.norm(vectors, axis=1) for vectors in (got, wanted))
        np.testing.assert_allclose(*lengths, rtol=1e-4)  # the length is kept too


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_at_every_batch_size(name: str, tmp_path: Path) -> None:
    embedder = embedder_of(name)
    done = export(embedder, tmp_path / "m.onnx")
    assert done.opset == tracing.OPSET == 18
    assert list(done.differences) == list(BATCHES)
    assert max(done.differences.values()) < 1e-5
    same_as_torch(embedder, tmp_path / "m.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.json", "m.onnx"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OWN))
def test_every_network_at_full_size(name: str, tmp_path: Path) -> None:
    embedder = embedder_of(name, 112)
    export(embedder, tmp_path / "m.onnx")
    same_as_torch(embedder, tmp_path / "m.onnx")


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224"])
def test_a_network_of_timm(name: str, tmp_path: Path) -> None:
    pytest.importorskip("timm")
    embedder = embedder_of(name, 32)
    export(embedder, tmp_path / "m.onnx")
    same_as_torch(embedder, tmp_path / "m.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "convnext_atto"])
def test_more_networks_of_timm(name: str, tmp_path: Path) -> None:
    pytest.importorskip("timm")
    embedder = embedder_of(name, 112)
    export(embedder, tmp_path / "m.onnx")
    same_as_torch(embedder, tmp_path / "m.onnx")


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("normalize", [False, True])
def test_preprocessing_inside_the_file(order: str, normalize: bool, tmp_path: Path) -> None:
    embedder = embedder_of("contrastnet", order=order)
    done = export(embedder, tmp_path / "m.onnx", preprocess=True, normalize=normalize)
    assert done.input == ("pixels", "uint8", ("batch", 32, 32, 3))
    photos = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    (got,) = session(tmp_path / "m.onnx").run(None, {"pixels": photos})
    wanted = embedder.embed(photos, normalize=normalize)
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(likewise.load(done.path).embed(photos), unit(wanted), atol=1e-5)
    with pytest.raises(InputError, match="does its preprocessing already"):
        export(done.path, tmp_path / "again.onnx", preprocess=True)


def test_gray_photos(tmp_path: Path) -> None:
    embedder = embedder_of("contrastnet", channels=1)
    export(embedder, tmp_path / "m.onnx", preprocess=True)
    photos = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    got = likewise.load(tmp_path / "m.onnx").embed(photos)
    np.testing.assert_allclose(got, embedder.embed(photos), atol=1e-5)


def test_thresholds_calibration_and_fingerprint_stay(tmp_path: Path) -> None:
    embedder = embedder_of("contrastnet", alignment="arcface")
    point = OperatingPoint(0.4, 9e-4, 0.95, 100, 5000, target=1e-3)
    embedder.operating_point, embedder.operating_points = point, (point,)
    embedder.calibration = Calibration("logistic", 10.0, -4.0)
    done = export(embedder, tmp_path / "m.onnx")
    back = likewise.load(tmp_path / "m.onnx")
    assert back.operating_point == point
    assert back.operating_points == (point,)
    assert back.calibration == embedder.calibration
    assert back.preprocess.alignment == "arcface"
    assert back.fingerprint == done.fingerprint == embedder.fingerprint
    assert back.own_fingerprint != embedder.fingerprint
    require_same_embedder(back.fingerprint, embedder.fingerprint, "index")
    back.save(tmp_path / "folder")  # an export that is saved is still one
    again = likewise.load(tmp_path / "folder")
    assert again.fingerprint == embedder.fingerprint
    second = export(again, tmp_path / "copy.onnx")
    assert second.fingerprint == embedder.fingerprint
    assert max(second.differences.values()) == 0


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    export(embedder_of("contrastnet"), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    raw = bytearray(model.graph.initializer[0].raw_data)
    raw[3] ^= 1
    model.graph.initializer[0].raw_data = bytes(raw)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(InputError, match="damaged"):
        likewise.load(tmp_path / "m.onnx")


def test_a_stop_between_the_two_files_leaves_a_whole_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.onnx"
    old, new = embedder_of("contrastnet"), embedder_of("contrastnet", order="bgr")
    export(old, path)
    old_file = path.read_bytes()
    export(new, path, preprocess=True)
    assert "previous" not in json.loads(path.with_suffix(".json").read_text())
    new_file = path.read_bytes()

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    export(old, path)
    with monkeypatch.context() as patch:
        patch.setattr("likewise.storage.Path.replace", kill)  # the JSON is not renamed
        with pytest.raises(Killed):
            export(new, path, preprocess=True)
    assert likewise.load(path).fingerprint == old.fingerprint

    real, calls = Path.replace, []

    def second(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise Killed
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", second)  # the JSON is renamed, the ONNX file is not
        with pytest.raises(Killed):
            export(new, path, preprocess=True)
    assert "previous" in json.loads(path.with_suffix(".json").read_text())
    assert path.read_bytes() == old_file
    assert likewise.load(path).fingerprint == old.fingerprint
    path.write_bytes(new_file)  # both are renamed, the last write did not come
    assert likewise.load(path).fingerprint == new.fingerprint


def test_an_interrupted_export_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("likewise.models.export.to_onnx.require_parity", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export(embedder_of("contrastnet"), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


class Own(nn.Module):
    """A network of a user, which does something else for large batches if it is told to."""

    def __init__(self, *, by_size: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.PReLU(4), nn.Flatten())
        self.fc = nn.Linear(4 * 15 * 15, 8)
        self.by_size = by_size

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        if self.by_size and x.shape[0] > 8:
            x = x.flip(1)
        out: Tensor = self.fc(x)
        return out


def test_a_network_of_ones_own_also_if_it_is_compiled(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Own().eval()
    embedder = Embedder(module, Preprocess(32, 32))
    export(embedder, tmp_path / "m.onnx")
    same_as_torch(embedder, tmp_path / "m.onnx")
    compiled = Embedder(torch.compile(Own().eval(), backend="eager"), Preprocess(32, 32))
    export(compiled, tmp_path / "n.onnx")
    module.compile(backend="eager")
    export(embedder, tmp_path / "m.onnx")
    assert module._compiled_call_impl is not None  # the user's network stays compiled


def test_other_embeddings_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    embedder = Embedder(Own(by_size=True), Preprocess(32, 32))
    with pytest.raises(LikewiseError, match=r"Own: .* differ by .* in a batch of 64"):
        export(embedder, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LikewiseError, match="nothing was written"):
        parity.require_parity("m", {1: float("nan")})


def test_no_path_of_this_machine_is_in_the_file(tmp_path: Path) -> None:
    export(embedder_of("contrastnet"), tmp_path / "m.onnx")
    content = (tmp_path / "m.onnx").read_bytes()
    assert b"contrastnet.py" not in content
    assert b"site-packages" not in content


@pytest.mark.slow
def test_the_newer_exporter_is_the_fall_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript")
    if tuple(int(n) for n in torch.__version__.split(".")[:2]) < (2, 10):
        pytest.skip("the newer exporter of this torch fails on these networks")

    def gone(*_: object) -> bytes:
        raise TypeError("export() got an unexpected keyword argument 'dynamo'")

    monkeypatch.setattr(tracing, "_traced", gone)
    embedder = embedder_of("contrastnet")
    export(embedder, tmp_path / "m.onnx")
    assert json.loads((tmp_path / "m.json").read_text())["export"]["exporter"] == "captured"
    same_as_torch(embedder, tmp_path / "m.onnx")
    content = (tmp_path / "m.onnx").read_bytes()
    assert b"contrastnet.py" not in content
    monkeypatch.setattr(tracing, "_captured", gone)
    with pytest.raises(LikewiseError, match="torch cannot export this network"):
        export(embedder, tmp_path / "n.onnx")


ALONE = """
import sys, json
import numpy as np, onnxruntime
run = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
photos = np.load(sys.argv[2])
(out,) = run.run(None, {"pixels": photos})
np.save(sys.argv[3], out)
assert "torch" not in sys.modules and "likewise" not in sys.modules
"""


def test_the_file_runs_without_torch(tmp_path: Path) -> None:
    embedder = embedder_of("contrastnet")
    export(embedder, tmp_path / "m.onnx", preprocess=True, normalize=True)
    photos = np.random.default_rng(1).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "photos.npy", photos)
    files = [str(tmp_path / name) for name in ("m.onnx", "photos.npy", "out.npy")]
    subprocess.run([sys.executable, "-c", ALONE, *files], check=True)
    found = np.load(tmp_path / "out.npy")
    np.testing.assert_allclose(found, embedder.embed(photos), atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "contrastnet",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("mobilefacenet", "iresnet18")),
    ],
)
def test_the_file_runs_in_openvino(name: str, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    embedder = embedder_of(name)
    export(embedder, tmp_path / "m.onnx", preprocess=True, normalize=True)
    # Without the hint OpenVINO may compute in bfloat16.
    run = openvino.compile_model(
        str(tmp_path / "m.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    for batch in BATCHES:
        photos = np.random.default_rng(batch).integers(0, 256, (batch, 32, 32, 3), dtype=np.uint8)
        np.testing.assert_allclose(run(photos)[0], embedder.embed(photos), atol=1e-4)


def test_wrong_use_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = embedder_of("contrastnet")
    for arguments, message in (
        ({"to": "onx"}, "did you mean 'onnx'"),
        ({"int8": True}, "needs at least 64 photos"),
        ({"to": "torch"}, "must end in .pt2"),
    ):
        with pytest.raises(InputError, match=message):
            export(embedder, tmp_path / "m.onnx", **arguments)
    with pytest.raises(InputError, match="not found"):
        export(tmp_path / "nowhere", tmp_path / "m.onnx")
    (tmp_path / "m.json").write_text('{"name": "something else"}')
    with pytest.raises(InputError, match="describes no model"):
        export(embedder, tmp_path / "m.onnx")
    (tmp_path / "m.json").unlink()
    monkeypatch.setattr(tracing, "LIMIT", 1000)
    with pytest.raises(InputError, match=r"weights take .* an ONNX file holds up to 1,000"):
        export(embedder, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
    assert set(exporting.SUFFIXES) == {"onnx", "torch"}


def fixed(path: Path, *, reshape: tuple[int, ...]) -> None:
    """An ONNX file with a fixed batch of 1, and a Reshape to it, as exporters write them."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.random.default_rng(0).normal(size=(3 * 8 * 8, 4)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["x", "shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["out"]),
        ],
        "fixed",
        [helper.make_tensor_value_info("x", kind, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("out", kind, [1, 4])],
        [
            onnx.numpy_helper.from_array(weight, "w"),
            onnx.numpy_helper.from_array(np.array(reshape, np.int64), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)


@pytest.mark.parametrize("reshape", [(1, -1), (1, 192), (-1, 192)])
def test_a_fixed_batch_size_becomes_free(reshape: tuple[int, ...], tmp_path: Path) -> None:
    from likewise.models.importing import import_onnx

    fixed(tmp_path / "f.onnx", reshape=reshape)
    embedder = import_onnx(tmp_path / "f.onnx", Preprocess(8, 8))
    done = export(embedder, tmp_path / "m.onnx")
    assert done.input == ("x", "float32", ("batch", 3, 8, 8))
    images = np.random.default_rng(1).normal(size=(7, 3, 8, 8)).astype(np.float32)
    together = session(tmp_path / "m.onnx").run(None, {"x": images})[0]
    alone = session(tmp_path / "f.onnx")
    for row, image in enumerate(images):
        wanted = alone.run(None, {"x": image[None]})[0][0]
        np.testing.assert_allclose(together[row], wanted, rtol=1e-5)
    with pytest.raises(InputError, match="is the file that is exported"):
        export(embedder, tmp_path / "f.onnx")


def test_the_reference_model(shared_data: Path, tmp_path: Path) -> None:
    from likewise.data.formats import read_manifest
    from likewise.models.importing import import_onnx

    values = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    model = shared_data / "models" / "mobilefacenet_ms1m_128.onnx"
    embedder = import_onnx(model, Preprocess(112, 112, **values))
    faces = sorted((shared_data / "lfw" / "aligned112" / "Tony_Blair").iterdir())[:9]
    manifest = read_manifest(shared_data / "lfw" / "raw_sample")
    done = export(embedder, tmp_path / "m.onnx", preprocess=True, photos=manifest)
    assert max(done.differences.values()) < 1e-5
    found = likewise.load(done.path).embed(faces)
    np.testing.assert_allclose(found, embedder.embed(faces), atol=1e-5)


def test_a_network_of_someone_else_is_not_replaced(tmp_path: Path) -> None:
    embedder, path = embedder_of("contrastnet"), tmp_path / "net.onnx"
    path.write_bytes(b"a network that was imported from here")
    with pytest.raises(InputError, match=r"net.onnx: is there and was not written by"):
        export(embedder, path)
    assert path.read_bytes() == b"a network that was imported from here"
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(InputError, match=r"folder.onnx: is a folder"):
        export(embedder, tmp_path / "folder.onnx")


def test_an_exported_file_is_imported_with_its_own_preprocessing(tmp_path: Path) -> None:
    from likewise.cli.app import main

    def imported(out: str, *options: str) -> Embedder:
        with pytest.raises(SystemExit) as done:
            main(["models", "import", str(path), "--out", str(tmp_path / out), *options])
        assert done.value.code == 0
        return likewise.load(tmp_path / out)

    embedder, path = embedder_of("contrastnet", mean=(0.4,) * 3), tmp_path / "m.onnx"
    export(embedder, path)
    copied = imported("a")
    assert copied.preprocess == embedder.preprocess
    assert copied.fingerprint == embedder.fingerprint
    assert imported("b", "--mean", "0.3,0.3,0.3").preprocess.mean == (0.3,) * 3


def test_a_file_that_takes_pixels_gets_them_as_they_are(tmp_path: Path) -> None:
    from likewise.models.importing import import_onnx

    embedder = embedder_of("contrastnet")
    export(embedder, tmp_path / "m.onnx", preprocess=True)
    size = (embedder.preprocess.height, embedder.preprocess.width)
    imported = import_onnx(tmp_path / "m.onnx", Preprocess(*size))  # with InsightFace's mean
    photos = np.random.default_rng(0).integers(0, 256, (3, *size, 3), np.uint8)
    np.testing.assert_allclose(imported.embed(photos), embedder.embed(photos), atol=1e-4)
