"""Changes to an ONNX graph: a free batch size, preprocessing before it, unit length after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.data.preprocess import Preprocess

__all__ = [
    "BATCH",
    "PIXELS",
    "add_preprocessing",
    "add_unit_length",
    "free_batch",
    "opset_of",
    "strip_traces",
]

BATCH = "batch"  # the name of the free size
PIXELS = "pixels"  # the input of a graph that preprocesses
UNIT = "unit_embedding"  # the output of a graph that normalises


def strip_traces(model: Any) -> None:
    """Remove what an exporter notes for debugging: stack traces, with paths of this machine."""
    for message in _messages(model):
        names = {field.name for field in message.DESCRIPTOR.fields}
        for name in names & {"doc_string", "metadata_props"}:
            message.ClearField(name)


def free_batch(model: Any, input_name: str) -> None:
    """Make the batch size of the input and of the outputs free.

    A ``Reshape`` to the fixed batch size is made to keep the batch size of its own input.

    Args:
        model: an ``onnx.ModelProto``.
        input_name: of the images.
    """
    graph = model.graph
    (images,) = (value for value in graph.input if value.name == input_name)
    batch = images.type.tensor_type.shape.dim[0].dim_value
    for value in (images, *graph.output):
        if value.type.tensor_type.shape.dim:
            size = value.type.tensor_type.shape.dim[0]
            size.Clear()
            size.dim_param = BATCH
    del graph.value_info[:]  # sizes inside, for the old batch size
    if batch:
        _free_reshapes(graph, batch)


def _free_reshapes(graph: Any, batch: int) -> None:
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    for node in graph.node:
        shape = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is None or any(a.name == "allowzero" and a.i for a in node.attribute):
            continue
        sizes = numpy_helper.to_array(shape)
        if sizes.ndim == 1 and len(sizes) and sizes[0] == batch:
            # 0 stands for "as in the input"; a constant may be shared, so this node gets its own.
            free = np.concatenate([[0], sizes[1:]]).astype(np.int64)
            name = f"{node.output[0]}/free_batch"
            graph.initializer.append(numpy_helper.from_array(free, name))
            node.input[1] = name


def add_preprocessing(
    model: Any, input_name: str, preprocess: Preprocess, *, channels_last: bool
) -> None:
    """Let the graph take uint8 [batch,H,W,C] in RGB order, and normalise them itself.

    Args:
        model: an ``onnx.ModelProto``; opset 7 or later.
        input_name: of the images.
        preprocess: mean, deviation and channel order of the network.
        channels_last: the network takes [batch,H,W,C].
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    (images,) = (value for value in graph.input if value.name == input_name)
    kind = images.type.tensor_type.elem_type
    constants: dict[str, NDArray[Any]] = {
        "scale": np.array(1 / 255, np.float32),
        "mean": np.array(preprocess.mean, np.float32),
        "std": np.array(preprocess.std, np.float32),
        "bgr": np.array([2, 1, 0], np.int64),
    }
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if preprocess.order == "bgr" and preprocess.channels == 3:
        steps.append(("Gather", ["bgr"], {"axis": 3}))
    else:
        del constants["bgr"]
    steps += [
        ("Cast", [], {"to": TensorProto.FLOAT}),
        ("Mul", ["scale"], {}),
        ("Sub", ["mean"], {}),
        ("Div", ["std"], {}),
    ]
    if not channels_last:
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    if kind != TensorProto.FLOAT:
        steps.append(("Cast", [], {"to": kind}))
    nodes, now = [], PIXELS
    for number, (operator, inputs, attributes) in enumerate(steps):
        out = input_name if number == len(steps) - 1 else f"preprocess/{operator}_{number}"
        named = [f"preprocess/{name}" for name in inputs]
        nodes.append(helper.make_node(operator, [now, *named], [out], out, **attributes))
        now = out
    for name, values in constants.items():
        graph.initializer.append(numpy_helper.from_array(values, f"preprocess/{name}"))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    shape: list[str | int | None] = [
        BATCH,
        preprocess.height,
        preprocess.width,
        preprocess.channels,
    ]
    images.CopyFrom(helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, shape))


def add_unit_length(model: Any) -> None:
    """Let the first output of the graph be scaled to length 1; the graph has only this output."""
    from onnx import helper

    graph = model.graph
    raw = graph.output[0].name
    graph.node.append(helper.make_node("LpNormalization", [raw], [UNIT], UNIT, axis=-1, p=2))
    del graph.output[1:]
    graph.output[0].name = UNIT


def _messages(message: Any) -> Iterator[Any]:
    """A protobuf message and all messages inside it, tensors of weights included."""
    yield message
    for field, value in list(message.ListFields()):
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else list(value):
                yield from _messages(inner)


def opset_of(model: Any) -> int:
    """The version of ONNX's own operators that a model uses."""
    return next((int(e.version) for e in model.opset_import if e.domain in ("", "ai.onnx")), 1)
