"""ONNX files as embedders: small ones built here, and the reference model on LFW."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import likewise
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models import loading
from likewise.models.embedder import Embedder
from likewise.models.importing import import_onnx
from likewise.models.onnx.backbone import OnnxBackbone

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def projection(path: Path, batch: int | str, size: int = 8, dimension: int = 4) -> np.ndarray:
    """Write ``embedding = flatten(x) @ W`` as ONNX; returns W."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.random.default_rng(0).normal(size=(3 * size * size, dimension)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["out"]),
        ],
        "projection",
        [helper.make_tensor_value_info("x", kind, [batch, 3, size, size])],
        [helper.make_tensor_value_info("out", kind, [batch, dimension])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return weight


@pytest.mark.parametrize("batch", [1, 4, "n"])
def test_any_fixed_batch_size_works(batch: int | str, tmp_path: Path) -> None:
    weight = projection(tmp_path / "p.onnx", batch)
    preprocess = Preprocess(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    embedder = import_onnx(tmp_path / "p.onnx", preprocess)
    assert (embedder.preprocess.height, embedder.preprocess.width) == (8, 8)
    images = np.random.default_rng(1).integers(0, 255, (6, 8, 8, 3), dtype=np.uint8)
    ready = (images / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4]
    expected = ready.transpose(0, 3, 1, 2).reshape(6, -1) @ weight
    np.testing.assert_allclose(embedder.embed(images, normalize=False), expected, atol=1e-3)
    embedder.save(tmp_path / "m")
    back = likewise.load(tmp_path / "m")
    assert back.fingerprint == embedder.fingerprint
    np.testing.assert_allclose(back.embed(images, normalize=False), expected, atol=1e-3)


def test_a_file_with_its_json_beside_it(tmp_path: Path) -> None:
    projection(tmp_path / "p.onnx", 1)
    with pytest.raises(InputError, match="likewise models import"):
        likewise.load(tmp_path / "p.onnx")
    embedder = import_onnx(tmp_path / "p.onnx", Preprocess())
    (tmp_path / "p.json").write_text(json.dumps(embedder.config()))
    assert likewise.load(tmp_path / "p.onnx").fingerprint == embedder.fingerprint
    (tmp_path / "p.json").write_text(json.dumps({"preprocess": {"hieght": 8}}))
    with pytest.raises(InputError, match="did you mean 'height'"):
        likewise.load(tmp_path / "p.onnx")


def test_other_networks_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(InputError, match="cannot be read as ONNX"):
        import_onnx(tmp_path / "text.onnx", Preprocess())
    projection(tmp_path / "p.onnx", 1)
    with pytest.raises(InputError, match="takes 3 channels"):
        import_onnx(tmp_path / "p.onnx", Preprocess(channels=1, mean=(0.5,), std=(0.5,)))
    with pytest.raises(InputError, match="no such file"):
        import_onnx(tmp_path / "none.onnx", Preprocess())


def test_onnx_runtime_has_the_number_format_of_the_file(tmp_path: Path) -> None:
    projection(tmp_path / "p.onnx", "n")
    embedder = import_onnx(tmp_path / "p.onnx", Preprocess(8, 8))
    images = np.random.default_rng(1).integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)
    same = embedder.embed(images, precision="auto")
    np.testing.assert_array_equal(same, embedder.embed(images))
    with pytest.raises(InputError, match="precision: bf16 is not for ONNX files"):
        embedder.embed(images, precision="bf16")
    with pytest.raises(InputError, match="compile: ONNX Runtime runs this model"):
        embedder.embed(images, compile=True)


def test_the_gpu_of_onnx_runtime_is_taken_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU here: a session is told the providers, and answers as one that could not start."""
    import onnxruntime

    real, asked = onnxruntime.InferenceSession, []

    def session(content: bytes, options: object, providers: list[object]) -> object:
        asked.append(providers)
        return real(content, options, ["CPUExecutionProvider"])

    projection(tmp_path / "p.onnx", "n")
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    assert not OnnxBackbone(tmp_path / "p.onnx", gpu=1).on_gpu
    there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    assert not OnnxBackbone(tmp_path / "p.onnx", gpu=1).on_gpu
    OnnxBackbone(tmp_path / "p.onnx")
    cuda = ("CUDAExecutionProvider", {"device_id": 1, "use_tf32": "0"})
    assert asked == [["CPUExecutionProvider"], [cuda, "CPUExecutionProvider"],
                     ["CPUExecutionProvider"]]  # fmt: skip


def test_an_operator_unknown_to_torch_goes_to_onnx_runtime_on_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    projection(tmp_path / "p.onnx", "n")
    embedder = import_onnx(tmp_path / "p.onnx", Preprocess(8, 8))
    embedder.source_file = tmp_path / "p.onnx"
    asked = []

    def unknown(path: Path) -> None:
        raise InputError(f"{path.name}: its operator Odd is not known to the torch route; run it …")

    def backbone(path: Path, gpu: int | None = None) -> OnnxBackbone:
        asked.append(gpu)
        return OnnxBackbone(path)

    monkeypatch.setattr(loading, "in_torch", unknown)
    monkeypatch.setattr(loading, "OnnxBackbone", backbone)
    monkeypatch.setattr(loading, "pick_device", lambda name: torch.device(name))
    monkeypatch.setattr(Embedder, "to", lambda self, _: self)
    loading._moved(embedder, "cuda:1")
    assert asked == [1]
    (record,) = caplog.records
    assert "operator Odd is not known" in record.getMessage()
    assert "on the CPU; for an NVIDIA GPU install onnxruntime-gpu" in record.getMessage()


def test_the_reference_model_gives_its_published_vectors(shared_data: Path) -> None:
    preprocess = Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    embedder = import_onnx(shared_data / "models" / "mobilefacenet_ms1m_128.onnx", preprocess)
    names = (shared_data / "lfw" / "reference_embeddings_files.txt").read_text().splitlines()
    rows = [0, 17, 5000, 13_232]
    files = [shared_data / "lfw" / "aligned112" / names[row] for row in rows]
    expected = np.load(shared_data / "lfw" / "reference_embeddings_128.npy", mmap_mode="r")[rows]
    found = embedder.embed(files, normalize=False)
    cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1)
    np.testing.assert_allclose(cosines / np.linalg.norm(expected, axis=1), 1, atol=1e-4)
    with Image.open(files[0]) as image:
        np.testing.assert_allclose(embedder.embed(image, normalize=False)[0], found[0], atol=1e-4)
