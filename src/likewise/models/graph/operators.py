"""The operators of captured networks: which are run, and how their arguments are written as JSON.

A captured network may come from anywhere, so its operators are looked up in a fixed set: the
operators of torch's library ``aten``, which compute on tensors, without those that open files or
change what memory a tensor is in; and some arithmetic on sizes.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch

from likewise.errors import InputError

__all__ = [
    "UnknownOperator",
    "as_plain",
    "as_value",
    "name_of_operator",
    "operator_named",
    "run_operator",
]

# Operators that begin with an underscore skip checks of their arguments; these are needed.
INTERNAL = frozenset(
    {
        "_adaptive_avg_pool2d", "_log_softmax", "_native_batch_norm_legit_no_training",
        "_prelu_kernel", "_softmax", "_to_copy", "_unsafe_view", "_upsample_bicubic2d_aa",
        "_upsample_bilinear2d_aa",
    }
)  # fmt: skip
REFUSED = re.compile(r"from_file|set_?|set_data|resize.*|rename_?|record_stream|data|.*backward.*")
ATEN = re.compile(r"aten\.([a-z_][a-z0-9_]*)\.([A-Za-z0-9_]+)")

SIZES: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": operator.floordiv,
    "truediv": operator.truediv,
    "mod": operator.mod,
    "neg": operator.neg,
    "ceil": math.ceil,
    "floor": math.floor,
    "trunc": math.trunc,
}
"""Arithmetic on sizes, such as the batch size."""

SHAPED: dict[str, Callable[..., Any]] = {
    "aten.sym_size.int": lambda tensor, dim: tensor.shape[dim],
    "aten.reshape.default": torch.reshape,
    "aten.view.default": lambda tensor, size: tensor.view(size),
    "aten.expand.default": lambda tensor, size, **_: tensor.expand(size),
    "aten.repeat.default": lambda tensor, repeats: tensor.repeat(repeats),
}
"""Operators that take sizes, as functions by which the export to ONNX sees that the batch size is
free; they compute the same."""

# Where torch has its functions of Python. The tracer of the export to ONNX understands them, and
# not always the operators themselves.
FUNCTIONS: tuple[Any, ...] = (
    torch._C._VariableFunctions,
    torch._C._nn,
    torch._C._linalg,  # type: ignore[attr-defined]  # not in torch's stubs
    torch.Tensor,
)

KINDS: dict[type, str] = {
    torch.dtype: "dtype",
    torch.memory_format: "memory_format",
    torch.layout: "layout",
}
"""Values of torch that are named in it, such as ``torch.float32``."""


class UnknownOperator(InputError):
    """A network has an operator that captured networks may not have."""


def name_of_operator(target: Any) -> str:
    """The name of an operator in a graph of ``torch.export``.

    Raises:
        UnknownOperator: a captured network may not have it.
    """
    if target is operator.getitem:
        return "getitem"
    name = next((name for name, found in SIZES.items() if found is target), None) or str(target)
    operator_named(name)
    return name


def operator_named(name: str) -> Callable[..., Any]:
    """The operator of a name.

    Raises:
        UnknownOperator: a captured network may not have it.

    Example:
        >>> from likewise.models.graph.operators import operator_named
        >>> operator_named("aten.relu.default")
        <OpOverload(op='aten.relu', overload='default')>
        >>> operator_named("aten.from_file.default")
        Traceback (most recent call last):
        likewise.models.graph.operators.UnknownOperator: operator aten.from_file.default: is not one
        of those that captured networks have
    """
    if name == "getitem":
        return operator.getitem
    if name in SHAPED:
        return SHAPED[name]
    if name in SIZES:
        return _on_numbers(SIZES[name])
    match = ATEN.fullmatch(name)
    if match and not REFUSED.fullmatch(match[1]) and (match[1][0] != "_" or match[1] in INTERNAL):
        found = getattr(getattr(torch.ops.aten, match[1], None), match[2], None)
        if isinstance(found, torch._ops.OpOverload):
            return found
    raise UnknownOperator(f"operator {name}: is not one of those that captured networks have")


def run_operator(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """The result of an operator; by torch's function of the same name while it is traced."""
    traced = torch._C._get_tracing_state() is not None
    if traced and isinstance(function, torch._ops.OpOverload):
        name = function._schema.name.partition("::")[2]
        if name == "index":
            tensor, indices = args
            return tensor[tuple(slice(None) if index is None else index for index in indices)]
        found = next((getattr(home, name) for home in FUNCTIONS if hasattr(home, name)), function)
        try:
            return found(*args, **kwargs)
        except TypeError:  # it has other arguments
            return function(*args, **kwargs)
    return function(*args, **kwargs)


def _on_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """Arithmetic that refuses texts and lists, which it would multiply."""

    def computed(*values: Any) -> Any:
        if any(isinstance(value, str | list | tuple | dict) for value in values):
            raise InputError("a captured network: its arithmetic is on numbers only")
        return function(*values)

    return computed


def as_plain(value: Any, names: Mapping[Any, str]) -> Any:
    """An argument of an operator as a JSON value.

    Args:
        value: a node, a number, a text, a value of torch, or a list of these.
        names: of the nodes before.

    Raises:
        UnknownOperator: it is of another type.
    """
    if isinstance(value, torch.fx.Node):
        return {"value": names[value]}
    if isinstance(value, list | tuple):
        return [as_plain(inner, names) for inner in value]
    if isinstance(value, torch.device):
        return {"device": "input"}  # the network may run elsewhere than where it was captured
    for kind, key in KINDS.items():
        if isinstance(value, kind):
            return {key: str(value).removeprefix("torch.")}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise UnknownOperator(f"an argument of the type {type(value).__name__} cannot be written")


def as_value(plain: Any, values: Mapping[str, Any], device: torch.device) -> Any:
    """The inverse of ``as_plain``, with the values of the nodes before.

    Raises:
        InputError: it is not such a JSON value.
    """
    if isinstance(plain, list):
        return [as_value(inner, values, device) for inner in plain]
    if not isinstance(plain, dict):
        return plain
    (key, name), *others = plain.items()
    if key == "value" and name in values and not others:
        return values[name]
    if key == "device" and not others:
        return device
    if key == "float" and name in ("inf", "-inf", "nan"):
        return float(name)
    for kind, named in KINDS.items():
        found = getattr(torch, str(name), None) if key == named else None
        if isinstance(found, kind):
            return found
    raise InputError(f"a captured network: {plain!r} is not an argument of an operator")
