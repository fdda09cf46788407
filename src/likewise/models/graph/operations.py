"""The operators of ONNX that have no weights, as functions of tensors.

Each takes the inputs of its node (None where an optional one is left out) and its attributes.
Those with weights are modules, in ``likewise.models.graph.layers``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from likewise.errors import InputError

__all__ = ["OPERATIONS", "Attributes", "Inputs", "symmetric"]

Inputs = Sequence[Tensor | None]
Attributes = Mapping[str, Any]
Operation = Callable[[Inputs, Attributes], Tensor]


def _given(inputs: Inputs, place: int) -> Tensor | None:
    return inputs[place] if place < len(inputs) else None


def _x(inputs: Inputs, place: int = 0) -> Tensor:
    found = _given(inputs, place)
    assert found is not None  # the ONNX checker of the exporter holds this
    return found


def _numbers(inputs: Inputs, place: int, attributes: Attributes, name: str) -> list[int] | None:
    """Whole numbers that are an input in newer files and an attribute in older ones."""
    found = _given(inputs, place)
    if found is not None:
        return [int(value) for value in found.reshape(-1).tolist()]
    value = attributes.get(name)
    return None if value is None else [int(number) for number in value]


def symmetric(x: Tensor, attributes: Attributes, fill: float = 0.0) -> tuple[Tensor, list[int]]:
    """The padding of a sliding window, on two sides alike; where it is not, ``x`` is padded here.

    Args:
        x: [B,C,…].
        attributes: of the node.
        fill: the value beyond the border.

    Returns:
        The tensor, and what torch has to pad on either side of each axis.

    Raises:
        InputError: the padding depends on the size of the photo.
    """
    auto = attributes.get("auto_pad", b"NOTSET")
    if auto not in (b"NOTSET", b"VALID", b""):
        raise InputError(f"onnx: auto_pad {auto.decode()} is not known to the torch route")
    axes = x.ndim - 2
    pads = [0] * (2 * axes) if auto == b"VALID" else list(attributes.get("pads", [0] * (2 * axes)))
    starts, ends = pads[:axes], pads[axes:]
    if starts == ends:
        return x, starts
    turned = [side for pair in zip(starts[::-1], ends[::-1], strict=True) for side in pair]
    return F.pad(x, turned, value=fill), [0] * axes


def _clip(inputs: Inputs, attributes: Attributes) -> Tensor:
    low, high = _given(inputs, 1), _given(inputs, 2)
    x = _x(inputs)
    low_value = attributes.get("min") if low is None else low.to(x.device)
    high_value = attributes.get("max") if high is None else high.to(x.device)
    if low_value is None and high_value is None:
        return x
    return torch.clamp(x, low_value, high_value)


def _flatten(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, axis = _x(inputs), attributes.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.flatten(axis).flatten(0, axis - 1) if axis else x.reshape(1, -1)


def _reshape(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, shape = _x(inputs), [int(size) for size in _x(inputs, 1).tolist()]
    if not attributes.get("allowzero", 0):
        shape = [x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)]
    return x.reshape(shape)


def _transpose(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = _x(inputs)
    return x.permute(*attributes.get("perm", range(x.ndim - 1, -1, -1)))


def _squeeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    axes = _numbers(inputs, 1, attributes, "axes")
    return _x(inputs).squeeze() if axes is None else _x(inputs).squeeze(tuple(axes))


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, axes = _x(inputs), _numbers(inputs, 1, attributes, "axes") or []
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _slice(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = _x(inputs)
    starts = _numbers(inputs, 1, attributes, "starts") or []
    ends = _numbers(inputs, 2, attributes, "ends") or []
    axes = _numbers(inputs, 3, attributes, "axes") or list(range(len(starts)))
    steps = _numbers(inputs, 4, attributes, "steps") or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        picked = range(x.shape[axis])[start:end:step]  # Python's rules are those of ONNX
        if step == 1:
            x = x.narrow(axis, picked.start, len(picked))
        else:
            x = x.index_select(axis, torch.tensor(list(picked), device=x.device, dtype=torch.long))
    return x


def _gather(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, places, axis = _x(inputs), _x(inputs, 1).long(), attributes.get("axis", 0)
    axis %= x.ndim
    places = torch.where(places < 0, places + x.shape[axis], places).to(x.device)
    found = x.index_select(axis, places.reshape(-1))
    return found.reshape([*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]])


def _pad(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, pads = _x(inputs), _numbers(inputs, 1, attributes, "pads") or []
    if attributes.get("mode", b"constant") != b"constant" or _given(inputs, 3) is not None:
        raise InputError("onnx: the torch route pads all axes with a constant only")
    value = _given(inputs, 2)
    fill = float(attributes.get("value", 0.0) if value is None else value)
    sides = zip(pads[: x.ndim][::-1], pads[x.ndim :][::-1], strict=True)
    return F.pad(x, [side for pair in sides for side in pair], value=fill)


def _max_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, padding = symmetric(_x(inputs), attributes, float("-inf"))
    pool = {3: F.max_pool1d, 4: F.max_pool2d, 5: F.max_pool3d}[x.ndim]
    kernel = attributes["kernel_shape"]
    found: Tensor = pool(
        x, kernel, attributes.get("strides", [1] * len(kernel)), padding,
        attributes.get("dilations", [1] * len(kernel)),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )  # fmt: skip
    return found


def _average_pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    count_pads = bool(attributes.get("count_include_pad", 0))
    before = _x(inputs)
    x, padding = symmetric(before, attributes)
    if x is not before and not count_pads:
        raise InputError("onnx: the torch route averages with symmetric padding only")
    pool = {3: F.avg_pool1d, 4: F.avg_pool2d, 5: F.avg_pool3d}[x.ndim]
    kernel = attributes["kernel_shape"]
    found: Tensor = pool(
        x, kernel, attributes.get("strides", [1] * len(kernel)), padding,
        bool(attributes.get("ceil_mode", 0)), count_pads,
    )  # fmt: skip
    return found


def _reduce(apply: Callable[[Tensor, list[int], bool], Tensor]) -> Operation:
    def run(inputs: Inputs, attributes: Attributes) -> Tensor:
        x, axes = _x(inputs), _numbers(inputs, 1, attributes, "axes")
        if not axes:
            if attributes.get("noop_with_empty_axes", 0):
                return x
            axes = list(range(x.ndim))
        return apply(x, axes, bool(attributes.get("keepdims", 1)))

    return run


def _softmax(inputs: Inputs, attributes: Attributes) -> Tensor:
    return _x(inputs).softmax(attributes.get("axis", -1))


def _lp_normalise(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, axis, p = _x(inputs), attributes.get("axis", -1), attributes.get("p", 2)
    length: Tensor = torch.linalg.vector_norm(x, p, dim=axis, keepdim=True)
    return x / length


def _cast(inputs: Inputs, attributes: Attributes) -> Tensor:
    # Numbers of the enumeration TensorProto.DataType; halves are computed in float32 here.
    kinds = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float32,
             11: torch.float64}  # fmt: skip
    if attributes["to"] not in kinds:
        raise InputError(f"onnx: Cast to type {attributes['to']} is not known to the torch route")
    return _x(inputs).to(kinds[attributes["to"]])


def _shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    sizes = torch.tensor(_x(inputs).shape, dtype=torch.int64)
    return sizes[attributes.get("start", 0) : attributes.get("end")]


def _divide(inputs: Inputs, attributes: Attributes) -> Tensor:
    a, b = _x(inputs), _x(inputs, 1)
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _one(apply: Callable[[Tensor], Tensor]) -> Operation:
    return lambda inputs, attributes: apply(_x(inputs))


def _two(apply: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    return lambda inputs, attributes: apply(_x(inputs), _x(inputs, 1))


def _several(apply: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    return lambda inputs, attributes: reduce(
        apply, (_x(inputs, place) for place in range(len(inputs)))
    )


def _concat(inputs: Inputs, attributes: Attributes) -> Tensor:
    return torch.cat([_x(inputs, place) for place in range(len(inputs))], attributes["axis"])


OPERATIONS: dict[str, Operation] = {
    "Add": _two(torch.add),
    "AveragePool": _average_pool,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Div": _divide,
    # A network in training may drop units; its file says how many, as it was trained.
    "Dropout": _one(lambda x: x),
    "Elu": lambda inputs, attributes: F.elu(_x(inputs), attributes.get("alpha", 1.0)),
    "Erf": _one(torch.erf),
    "Exp": _one(torch.exp),
    "Flatten": _flatten,
    "Gather": _gather,
    "GlobalAveragePool": _one(lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True)),
    "GlobalMaxPool": _one(lambda x: x.amax(tuple(range(2, x.ndim)), keepdim=True)),
    "HardSigmoid": lambda inputs, attributes: (
        attributes.get("alpha", 0.2) * _x(inputs) + attributes.get("beta", 0.5)
    ).clamp(0, 1),
    "HardSwish": _one(F.hardswish),
    "Identity": _one(lambda x: x),
    "LeakyRelu": lambda inputs, attributes: F.leaky_relu(_x(inputs), attributes.get("alpha", 0.01)),
    "Log": _one(torch.log),
    "LpNormalization": _lp_normalise,
    "MatMul": _two(torch.matmul),
    "Max": _several(torch.maximum),
    "MaxPool": _max_pool,
    "Min": _several(torch.minimum),
    "Mul": _two(torch.mul),
    "Neg": _one(torch.neg),
    "Pad": _pad,
    "Pow": _two(torch.pow),
    "Reciprocal": _one(torch.reciprocal),
    "ReduceL2": _reduce(lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt()),
    "ReduceMean": _reduce(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceSum": _reduce(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "Relu": _one(torch.relu),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _one(torch.sigmoid),
    "Slice": _slice,
    "Softmax": _softmax,
    "Sqrt": _one(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _two(torch.sub),
    "Tanh": _one(torch.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
