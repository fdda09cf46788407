"""A network that was captured by ``torch.export``: its operators as plain data, run by torch.

No class of Python is needed to run it, and no code is in it: it is a list of operators from a fixed
set, each with its arguments. Its weights have the names that they had in the original.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from likewise.errors import InputError, LikewiseError, first_line
from likewise.models.graph.operators import as_value, operator_named, run_operator
from likewise.models.tensor_file import read_tensors, write_tensor_file

__all__ = ["CapturedNetwork", "Program", "class_name", "read_program", "write_program_file"]

VERSION = 1
MOST_NODES = 200_000


@dataclass(frozen=True)
class Program:
    """A network as plain data.

    Args:
        graph: ``version``; ``name`` of the network; ``input`` and ``output``, the names of values;
            ``weights``, the parameters and buffers by the values that they are;
            ``parameters``, which of them are parameters; ``constants``, tensors that are not saved
            as weights, by the values that they are; and ``nodes``, each with its ``name``,
            ``operator``, ``args`` and ``kwargs``.
        constants: their tensors by their names.
    """

    graph: Mapping[str, Any]
    constants: Mapping[str, Tensor]

    @property
    def file_name(self) -> str:
        """The name of its file: by its content, so that a newer one is another file."""
        digest = hashlib.sha256(json.dumps(self.graph, sort_keys=True).encode())
        for name, tensor in sorted(self.constants.items()):
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(f"{name}{tensor.dtype}{list(tensor.shape)}".encode())
            digest.update(flat.view(torch.uint8).numpy().tobytes())
        return f"program-{digest.hexdigest()[:16]}.safetensors"


def write_program_file(folder: Path, program: Program) -> None:
    """Write a program as a file of its ``file_name``, unless it is there."""
    path = folder / program.file_name
    if not path.exists():
        write_tensor_file(path, program.constants, program.graph)


def read_program(path: Path) -> Program:
    """Read a program; nothing in the file is run before its operators are checked.

    Raises:
        InputError: the file is missing or damaged, or not a program.
    """
    constants, graph = read_tensors(path)
    if not isinstance(graph, dict) or graph.get("version") != VERSION:
        raise InputError(f"{path}: not a captured network of version {VERSION}")
    program = Program(graph, constants)
    if program.file_name != path.name:
        raise InputError(f"{path}: damaged: its content belongs to {program.file_name}")
    return program


@dataclass(frozen=True)
class _Step:
    """A node that is ready to run; ``last`` names the values that no later one reads."""

    name: str
    run: Any
    args: list[Any]
    kwargs: dict[str, Any]
    last: tuple[str, ...]


class CapturedNetwork(nn.Module):
    """A captured network, float32 [B,C,H,W] → [B,D], in evaluation mode whatever its mode is.

    It runs on any device, and gradients can be computed. Dropout and the statistics of batch
    normalisations stay as in evaluation.

    Args:
        program: from ``capture`` or ``read_program``.
        weights: by their names; they are copied by ``load_state_dict``.

    Raises:
        InputError: a weight is missing, an operator is not one that captured networks have, or the
            program is malformed.
    """

    def __init__(self, program: Program, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        # Names of their own, since weights may have any other.
        self._captured_program: Program = program
        graph = program.graph
        try:
            parameters = set(graph["parameters"])
            for name in dict.fromkeys(graph["weights"].values()):
                _place(self, name, weights[name], parameter=name in parameters)
            for name in graph["constants"].values():
                if name not in program.constants:
                    raise KeyError(name)
            self._captured_constants = nn.Module()
            for name, tensor in program.constants.items():
                self._captured_constants.register_buffer(name, tensor, persistent=False)
            self._captured_steps = _steps(graph)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"a captured network: malformed ({first_line(error)})") from None

    @property
    def captured_program(self) -> Program:
        """The network as plain data."""
        found: Any = self._captured_program
        assert isinstance(found, Program)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D]."""
        graph = self.captured_program.graph
        values: dict[str, Any] = {graph["input"]: x}
        for value, name in graph["weights"].items():
            holder, _, last = name.rpartition(".")
            values[value] = getattr(self.get_submodule(holder), last)
        for value, name in graph["constants"].items():
            values[value] = getattr(self._captured_constants, name)
        for step in self._captured_steps:
            args = as_value(step.args, values, x.device)
            kwargs = {key: as_value(v, values, x.device) for key, v in step.kwargs.items()}
            values[step.name] = run_operator(step.run, args, kwargs)
            for name in step.last:
                del values[name]
        found = values[graph["output"]]
        if not isinstance(found, Tensor):
            raise LikewiseError("a captured network: its output is not a tensor")
        return found


def class_name(module: nn.Module) -> str:
    """The name of a network's class; of a captured one, that of the original."""
    if isinstance(module, CapturedNetwork):
        return str(module.captured_program.graph.get("name"))
    return type(module).__qualname__


def _steps(graph: Mapping[str, Any]) -> list[_Step]:
    nodes = graph["nodes"]
    if len(nodes) > MOST_NODES:
        raise InputError(f"a captured network: {len(nodes):,} operators, at most {MOST_NODES:,}")
    known = {graph["input"], *graph["weights"], *graph["constants"]}
    reader: dict[str, int] = {}  # the last node that reads a value
    for number, node in enumerate(nodes):
        for name in _read(node["args"]) | _read(node["kwargs"]):
            if name not in known:
                raise InputError(f"a captured network: {node['name']} reads {name} before it is")
            reader[name] = number
        known.add(node["name"])
    if graph["output"] not in known:
        raise InputError(f"a captured network: has no value {graph['output']}")
    last: dict[int, list[str]] = {}
    for name, number in reader.items():
        if name != graph["output"]:
            last.setdefault(number, []).append(name)
    return [
        _Step(
            node["name"], operator_named(node["operator"]), node["args"], node["kwargs"],
            tuple(last.get(number, ())),
        )
        for number, node in enumerate(nodes)
    ]  # fmt: skip


def _read(plain: Any) -> set[str]:
    """The values that arguments name."""
    if isinstance(plain, list):
        return set().union(*map(_read, plain))
    if not isinstance(plain, dict):
        return set()
    if set(plain) == {"value"} and isinstance(plain["value"], str):
        return {plain["value"]}
    return set().union(*map(_read, plain.values()))


def _place(root: nn.Module, name: str, tensor: Tensor, *, parameter: bool) -> None:
    """Put a weight under its dotted name."""
    *parts, last = name.split(".")
    for part in parts:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root.get_submodule(part)
    if parameter:
        trained = tensor.is_floating_point() or tensor.is_complex()
        root.register_parameter(last, nn.Parameter(tensor.clone(), requires_grad=trained))
    else:
        root.register_buffer(last, tensor.clone())
