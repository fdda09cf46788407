"""Capture a network of any class by ``torch.export``, so that it is loaded without its class."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind, OutputKind

from likewise.errors import LikewiseError, first_few, first_line
from likewise.models.graph.captured import VERSION, CapturedNetwork, Program
from likewise.models.graph.operators import UnknownOperator, as_plain, name_of_operator

__all__ = ["capture", "capture_or_warn"]

log = logging.getLogger(__name__)

# They check a graph while it is captured, and compute nothing.
CHECKS = ("aten._assert", "aten.sym_constrain_range", "aten._guard")
CLOSE = 1e-5  # the largest difference of a number of an embedding, relative to the largest number
PROGRAM = "_likewise_program"  # on a network: captured before, as often in a run


def capture(module: nn.Module, shape: tuple[int, int, int]) -> Program:
    """A network as plain data, in evaluation mode and with a free batch size.

    It is run beside the original on noise; their embeddings have to agree.

    Args:
        module: float32 [B,C,H,W] → [B,D]; it stays as it is.
        shape: of a photo: channels, height, width.

    Raises:
        LikewiseError: torch cannot capture it, it has operators of other libraries, or its captured
            form gives other embeddings.

    Example:
        >>> from torch import nn
        >>> from likewise.models.graph.capture import capture
        >>> program = capture(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), (3, 8, 8))
        >>> [node["operator"] for node in program.graph["nodes"]]
        ['aten.flatten.using_ints', 'aten.linear.default']
    """
    module = getattr(module, "_orig_mod", module)  # as torch.compile wraps it
    if isinstance(module, CapturedNetwork):
        return module.captured_program
    name = type(module).__qualname__
    plain = _on_cpu(module)
    before = getattr(module, PROGRAM, None)
    if isinstance(before, Program) and _agrees(before, plain, shape):
        return before
    try:
        program = _program(plain, torch.zeros(2, *shape), name)
    except UnknownOperator as error:
        raise LikewiseError(f"{name}: cannot be captured ({error})") from None
    except Exception as error:  # the errors of the exporter have no common class
        raise LikewiseError(
            f"{name}: torch.export cannot capture it ({first_line(error)})"
        ) from None
    if not _agrees(program, plain, shape):
        raise LikewiseError(f"{name}: its captured form gives other embeddings")
    object.__setattr__(module, PROGRAM, program)
    return program


def capture_or_warn(module: nn.Module, shape: tuple[int, int, int]) -> Program | None:
    """As ``capture``; None with a warning if the network cannot be captured."""
    try:
        return capture(module, shape)
    except LikewiseError as error:
        _warn(str(error))
        return None


@cache
def _warn(reason: str) -> None:
    """Once for each network: a run saves it often."""
    log.warning(
        "%s; only its weights are saved: to load them give the network, likewise.load(folder, "
        "module=…), or make it by a factory, package.module:function", reason,
    )  # fmt: skip


def _on_cpu(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode on the CPU, whose weights are those of the original if they can."""
    memo: dict[int, Any] = {
        id(tensor): tensor
        for tensor in (*module.parameters(), *module.buffers())
        if tensor.device.type == "cpu"
    }
    found = copy.deepcopy(module, memo).cpu().eval()
    for part in found.modules():
        part._compiled_call_impl = None
    return found


def _program(module: nn.Module, images: Tensor, name: str) -> Program:
    batch = torch.export.Dim("batch", min=1)
    early = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 7)
    export: Any = getattr(torch.export, "export_for_training" if early else "export")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        found = export(module, (images,), dynamic_shapes=({0: batch},), strict=False)
    signature = found.graph_signature
    changed = [str(spec.target) for spec in signature.output_specs
               if spec.kind is not OutputKind.USER_OUTPUT]  # fmt: skip
    if changed:
        raise UnknownOperator(f"it changes {first_few(changed)} in evaluation mode")
    graph: dict[str, Any] = {
        "version": VERSION, "name": name, "input": "", "output": "",
        "weights": {}, "parameters": [], "constants": {}, "nodes": [],
    }  # fmt: skip
    constants: dict[str, Tensor] = {}
    for spec in signature.input_specs:
        value = spec.arg.name
        if spec.kind is InputKind.USER_INPUT:
            graph["input"] = value
        elif spec.kind is InputKind.PARAMETER or (
            spec.kind is InputKind.BUFFER and spec.persistent
        ):
            graph["weights"][value] = spec.target
            if spec.kind is InputKind.PARAMETER:
                graph["parameters"].append(spec.target)
        elif spec.kind in (InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
            key = f"c{len(constants)}"
            graph["constants"][value], constants[key] = key, found.constants[spec.target].detach()
        else:
            raise UnknownOperator(f"it has an input of the kind {spec.kind.name}")
    names: dict[Any, str] = {}
    for node in found.graph.nodes:
        names[node] = node.name
        _require_no_change(node, graph["weights"])
        if node.op == "call_function" and not str(node.target).startswith(CHECKS):
            graph["nodes"].append(
                {
                    "name": node.name,
                    "operator": name_of_operator(node.target),
                    "args": as_plain(node.args, names),
                    "kwargs": {key: as_plain(value, names) for key, value in node.kwargs.items()},
                }
            )
        elif node.op == "output":
            (outputs,) = node.args
            graph["output"] = names[outputs[0]]
        elif node.op not in ("placeholder", "call_function"):
            raise UnknownOperator(f"it has a part of the kind {node.op}")
    return Program(graph, constants)


def _require_no_change(node: Any, weights: Mapping[str, str]) -> None:
    """Check that an operator writes into none of the weights."""
    schema = getattr(node.target, "_schema", None)
    for argument, value in zip(schema.arguments if schema else (), node.args, strict=False):
        written = argument.alias_info is not None and argument.alias_info.is_write
        if written and getattr(value, "name", None) in weights:
            raise UnknownOperator(f"it changes {weights[value.name]} in evaluation mode")


def _agrees(program: Program, module: nn.Module, shape: tuple[int, int, int]) -> bool:
    """Whether the program and the network give the same embeddings for three images of noise."""
    images = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    try:
        network = CapturedNetwork(program, module.state_dict())
        with torch.inference_mode():
            got, wanted = network(images).float(), module(images).float()
    except (LikewiseError, RuntimeError, KeyError):
        return False
    least = CLOSE * max(1e-12, float(wanted.abs().max()))
    return got.shape == wanted.shape and bool(((got - wanted).abs() <= least).all())
