"""ONNX files whose weights are quantised in blocks, as files of plain float32.

Files of OpenCV Zoo that end in ``int8bq`` hold each weight as int8 with a scale and a zero point
for every block of 64 numbers (DequantizeLinear with ``block_size``, opset 21). Few programs run
them; the plain file gives the same numbers everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.errors import LikewiseError, MissingExtra

__all__ = ["dequantise"]


def dequantise(content: bytes) -> Any:
    """An ONNX model with its quantised weights as float32, for any batch size.

    Args:
        content: of a trusted ``.onnx`` file without external data.

    Returns:
        An ``onnx.ModelProto``.

    Raises:
        MissingExtra: onnx is not installed.
        LikewiseError: a weight is not stored as expected.

    Source:
        DequantizeLinear-21 of the ONNX operators: y = (x - zero_point) · scale.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtra("a block-quantised ONNX file", "faces") from error
    model = onnx.ModelProto.FromString(content)
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    plain: dict[str, NDArray[np.float32]] = {}
    kept = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            quantised, scale, zero = (numpy_helper.to_array(stored[name]) for name in node.input)
            settings = {entry.name: entry.i for entry in node.attribute}
            plain[node.output[0]] = _numbers(
                quantised, scale, zero, settings["axis"], settings["block_size"]
            )
        elif node.op_type == "Reshape" and node.input[0] in plain:
            shape = numpy_helper.to_array(stored[node.input[1]])
            plain[node.output[0]] = plain.pop(node.input[0]).reshape(shape)
        else:
            kept.append(node)
    used = {name for node in kept for name in node.input}
    weights = [tensor for tensor in graph.initializer if tensor.name in used]
    weights += [numpy_helper.from_array(plain[name], name) for name in sorted(plain)]
    # The weights are listed as inputs too, and those before quantisation still are.
    photos = [entry for entry in graph.input if entry.name in used and entry.name not in stored]
    if len(photos) != 1 or not plain.keys() <= used:
        raise LikewiseError("onnx: the weights of this file are not stored as expected")
    for field, values in (("node", kept), ("initializer", weights), ("input", photos)):
        # Copies, since clearing a field ends its own messages.
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        graph.ClearField(field)
        getattr(graph, field).extend(copies)
    graph.ClearField("value_info")  # shapes of the fixed batch
    for entry in (*graph.input, *graph.output):
        entry.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model


def _numbers(
    quantised: NDArray[np.int8],
    scale: NDArray[np.float32],
    zero: NDArray[np.int8],
    axis: int,
    block: int,
) -> NDArray[np.float32]:
    """(quantised - zero point) · scale, each of the latter two repeated over its block."""
    inside = tuple(slice(0, size) for size in quantised.shape)
    scales: NDArray[np.float32] = np.repeat(scale, block, axis=axis)[inside]
    zeros: NDArray[np.int8] = np.repeat(zero, block, axis=axis)[inside]
    return (quantised.astype(np.int16) - zeros).astype(np.float32) * scales
