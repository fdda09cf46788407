"""ONNX files with external data, in half precision, with channels last, and more."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import likewise
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.importing import import_onnx
from likewise.models.onnx import file as onnx_file
from likewise.models.onnx.file import read_onnx
from tests.models.onnx.test_onnx import projection

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

IMAGES = np.random.default_rng(1).integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)


def split(path: Path, *, location: str = "weights.bin", apart: bool = False) -> np.ndarray:
    """A network with its weights in a second file; returns its matrix W."""
    weight = projection(path, "n")
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location=location,
        all_tensors_to_one_file=not apart, size_threshold=0,
    )  # fmt: skip
    return weight


def retarget(path: Path, **entries: str) -> None:
    """Change the location of external data in a file."""
    model = onnx.load(path, load_external_data=False)
    (tensor,) = model.graph.initializer
    told = {entry.key: entry.value for entry in tensor.external_data} | entries
    del tensor.external_data[:]
    for key, value in told.items():
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def ready(images: np.ndarray) -> np.ndarray:
    return ((images / 255 - 0.5) / 0.5).astype(np.float32)


@pytest.mark.parametrize("apart", [False, True], ids=["one second file", "a file a tensor"])
def test_external_data_is_included(apart: bool, tmp_path: Path) -> None:
    weight = split(_made(tmp_path), apart=apart)
    embedder = import_onnx(tmp_path / "theirs" / "net.onnx", Preprocess())
    embedder.save(tmp_path / "model")
    shutil.rmtree(tmp_path / "theirs")
    back = likewise.load(tmp_path / "model")
    expected = ready(IMAGES).transpose(0, 3, 1, 2).reshape(3, -1) @ weight
    np.testing.assert_allclose(back.embed(IMAGES, normalize=False), expected, atol=1e-3)
    assert back.fingerprint == embedder.fingerprint


def _made(tmp_path: Path) -> Path:
    (tmp_path / "theirs").mkdir()
    return tmp_path / "theirs" / "net.onnx"


def test_the_fingerprint_includes_external_data(tmp_path: Path) -> None:
    path = _made(tmp_path)
    split(path)
    one = import_onnx(path, Preprocess()).fingerprint
    second = path.with_name("weights.bin")
    content = bytearray(second.read_bytes())
    content[-1] ^= 1
    second.write_bytes(content)
    assert import_onnx(path, Preprocess()).fingerprint != one


def test_tensors_of_constants_and_subgraphs_are_included(tmp_path: Path) -> None:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    told = np.arange(4, dtype=np.float32)
    tensor = onnx.numpy_helper.from_array(told, "c")

    def branch(name: str) -> Any:
        node = helper.make_node("Constant", [], [name], value=tensor)
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, kind, [4])])

    graph = helper.make_graph(
        [
            helper.make_node(
                "If", ["yes"], ["out"], then_branch=branch("a"), else_branch=branch("b")
            )
        ],
        "if",
        [helper.make_tensor_value_info("yes", onnx.TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("out", kind, [4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for inner in (0, 1):
        held = model.graph.node[0].attribute[inner].g.node[0].attribute[0].t
        held.ClearField("raw_data")
        held.data_location = onnx.TensorProto.EXTERNAL
        held.external_data.add(key="location", value="c.bin")
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "c.bin").write_bytes(told.tobytes())
    whole = onnx.ModelProto.FromString(read_onnx(tmp_path / "net.onnx"))
    for inner in (0, 1):
        held = whole.graph.node[0].attribute[inner].g.node[0].attribute[0].t
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(held), told)


def test_a_file_without_external_data_is_unchanged(tmp_path: Path) -> None:
    projection(tmp_path / "p.onnx", 1)
    assert read_onnx(tmp_path / "p.onnx") == (tmp_path / "p.onnx").read_bytes()


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"location": "../outside.bin"}, "outside its own folder"),
        ({"location": "sub/../../outside.bin"}, "outside its own folder"),
        ({"location": "/etc/passwd"}, "outside its own folder"),
        ({"location": "C:\\weights.bin"}, "outside its own folder"),
        ({"location": "link.bin"}, "outside its own folder"),
        ({"location": ""}, "outside its own folder"),
        ({"location": "gone.bin"}, "a second file, gone.bin, which is missing"),
        ({"location": "pointer.bin"}, "pointer.bin: is a pointer of Git LFS"),
        ({"length": "999999999999"}, "takes more than|truncated"),
        ({"offset": "4000"}, "truncated: net.onnx needs bytes 4,000 to 7,072, it has 3,072"),
        ({"offset": "-4"}, "truncated"),
        ({"offset": "many"}, "cannot be read as ONNX"),
    ],
)
def test_missing_external_data_is_one_line(
    entries: dict[str, str], problem: str, tmp_path: Path
) -> None:
    path = _made(tmp_path)
    split(path)
    (tmp_path / "outside.bin").write_bytes(bytes(3072))
    path.with_name("link.bin").symlink_to(tmp_path / "outside.bin")
    path.with_name("pointer.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    retarget(path, **entries)
    with pytest.raises(InputError, match=problem) as caught:
        import_onnx(path, Preprocess())
    assert "\n" not in str(caught.value)


def test_links_of_a_cache_are_followed(tmp_path: Path) -> None:
    path = _made(tmp_path)
    split(path)
    (tmp_path / "snapshot").mkdir()
    for name in ("net.onnx", "weights.bin"):
        (tmp_path / "snapshot" / name).symlink_to(path.with_name(name))
    assert read_onnx(tmp_path / "snapshot" / "net.onnx") == read_onnx(path)


def test_too_much_external_data_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _made(tmp_path)
    split(path)
    monkeypatch.setattr(onnx_file, "LIMIT", 3000)
    with pytest.raises(InputError, match="takes more than 3,000 bytes"):
        read_onnx(path)
    monkeypatch.setattr(onnx_file, "LIMIT", 10)
    with pytest.raises(InputError, match="an ONNX file holds up to 10"):
        read_onnx(path)


def network(
    path: Path, inputs: list[tuple[str, int, list[Any]]], nodes: list[Any], out: list[Any],
    kind: int, weight: np.ndarray,
) -> Path:  # fmt: skip
    helper = onnx.helper
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(*entry) for entry in inputs],
        [helper.make_tensor_value_info("out", kind, out)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def flat_times_w() -> list[Any]:
    helper = onnx.helper
    return [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["out"]),
    ]


def test_half_precision(tmp_path: Path) -> None:
    kind = onnx.TensorProto.FLOAT16
    weight = (np.random.default_rng(0).normal(size=(192, 4)) / 14).astype(np.float16)
    path = network(
        tmp_path / "half.onnx", [("x", kind, ["n", 3, 8, 8])], flat_times_w(), ["n", 4], kind,
        weight,
    )  # fmt: skip
    found = import_onnx(path, Preprocess()).embed(IMAGES, normalize=False)
    expected = ready(IMAGES).transpose(0, 3, 1, 2).reshape(3, -1) @ weight.astype(np.float32)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-2)


def test_channels_last(tmp_path: Path) -> None:
    kind = onnx.TensorProto.FLOAT
    weight = np.random.default_rng(0).normal(size=(9 * 8 * 3, 4)).astype(np.float32)
    path = network(
        tmp_path / "nhwc.onnx", [("x", kind, ["n", 9, 8, 3])], flat_times_w(), ["n", 4], kind,
        weight,
    )  # fmt: skip
    embedder = import_onnx(path, Preprocess())
    assert (embedder.preprocess.height, embedder.preprocess.width) == (9, 8)
    images = np.random.default_rng(2).integers(0, 255, (3, 9, 8, 3), dtype=np.uint8)
    expected = ready(images).reshape(3, -1) @ weight
    np.testing.assert_allclose(embedder.embed(images, normalize=False), expected, atol=1e-3)
    embedder.save(tmp_path / "model")
    back = likewise.load(tmp_path / "model").embed(images, normalize=False)
    np.testing.assert_allclose(back, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("inputs", "out", "problem"),
    [
        ([("x", 1, ["n", 3, 8, 8]), ("age", 1, ["n", 4])], ["n", 4],
         r"has 2 inputs \(x, age\); an embedder has one"),
        ([("x", 1, ["n", 192])], ["n", 4], r"its input x is tensor\(float\) \['n', 192\]"),
        ([("x", 6, ["n", 3, 8, 8])], ["n", 4], r"its input x is tensor\(int32\)"),
        ([("x", 1, [1, 3, 8, 8])], [24, 4],
         r"does not map a photo to an embedding .*\[24, 4\] for 1 photos"),
    ],
    ids=["two inputs", "no image", "whole numbers", "a detector"],
)  # fmt: skip
def test_networks_that_are_no_embedder_are_refused(
    inputs: list[Any], out: list[Any], problem: str, tmp_path: Path
) -> None:
    helper, weight = onnx.helper, np.ones((192, 4), np.float32)
    nodes = flat_times_w()
    if len(inputs) == 2:
        nodes[1].output[0] = "seen"
        nodes.append(helper.make_node("Add", ["seen", "age"], ["out"]))
    elif inputs[0][1] == 6:
        nodes = [helper.make_node("Cast", ["x"], ["xf"], to=1), *nodes]
        nodes[1].input[0] = "xf"
    elif out[0] == 24:  # a row for each line of pixels, as a detector has one for each place
        weight = np.ones((8, 4), np.float32)
        nodes[0].attribute.append(helper.make_attribute("axis", 3))
    path = network(tmp_path / "net.onnx", inputs, nodes, out, 1, weight)
    with pytest.raises(InputError, match=problem) as caught:
        import_onnx(path, Preprocess())
    assert "\n" not in str(caught.value)
