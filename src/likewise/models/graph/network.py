"""A network in an ONNX file as a module of torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from likewise.errors import InputError, MissingExtra, first_line
from likewise.models.graph.layers import LAYERS
from likewise.models.graph.operations import OPERATIONS
from likewise.models.onnx.file import LIMIT, read_onnx

__all__ = ["OnnxNetwork"]

CHANNELS = (1, 3)  # grey or colour


@dataclass(frozen=True)
class Step:
    """One node: where it reads, what it does, where it writes."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]
    layer: str  # the name of its module; "" if it has none
    last: tuple[str, ...]  # values that no later step reads


class OnnxNetwork(nn.Module):
    """A network in an ONNX file, float32 [B,C,H,W] → [B,D], computed by torch.

    It runs on a GPU, its gradients can be computed, and it can be trained: convolutions, batch
    normalisations, PReLUs and matrix products are modules whose weights are parameters. It takes
    any batch size, also if the file fixes one, and computes float16 files in float32. The
    operators are those of networks for faces; one that is not known is refused by name.

    Args:
        source: the file, with its external data beside it, or an ``onnx.ModelProto``.

    Raises:
        MissingExtra: onnx is not installed.
        InputError: the file is not ONNX, or has an operator that is not known.

    Example:
        >>> from pathlib import Path
        >>> from likewise.models.graph.network import OnnxNetwork
        >>> network = OnnxNetwork(Path("net.onnx"))  # doctest: +SKIP
        >>> network.train().to("cuda")  # doctest: +SKIP
    """

    def __init__(self, source: Path | Any) -> None:
        super().__init__()
        self.name = str(source) if isinstance(source, Path) else "onnx"
        try:
            import onnx
        except ImportError as error:
            raise MissingExtra(self.name, "onnx") from error
        if isinstance(source, Path):
            source = onnx.ModelProto.FromString(read_onnx(source))
        graph = source.graph
        constants = {tensor.name: self._tensor(tensor) for tensor in graph.initializer}
        photos = [entry for entry in graph.input if entry.name not in constants]
        if len(photos) != 1:
            names = ", ".join(entry.name for entry in photos) or "none"
            raise InputError(f"{self.name}: has {len(photos)} inputs ({names}); expected one")
        self.input_name: str = photos[0].name
        sizes = [dim.dim_value for dim in photos[0].type.tensor_type.shape.dim]
        self.fixed_batch = sizes[0] if sizes and sizes[0] > 0 else 0
        self.channels_last = len(sizes) == 4 and sizes[3] in CHANNELS and sizes[1] not in CHANNELS
        self.output_names = [entry.name for entry in graph.output]
        if not self.output_names:
            raise InputError(f"{self.name}: has no output")
        self.steps: list[Step] = []
        self.layers = nn.ModuleDict()
        self._build(graph, constants)

    def _build(self, graph: Any, constants: dict[str, Tensor]) -> None:
        """Turn nodes into steps; those of constants alone are computed here."""
        from onnx import helper

        read_last = {name: place for place, n in enumerate(graph.node) for name in n.input if name}
        used = set(self.output_names)
        given = {self.input_name, *constants}
        folded = 0  # bytes of constants that are computed here
        for place, node in enumerate(graph.node):
            operator, inputs = node.op_type, tuple(node.input)
            output = node.output[0] if node.output else ""
            what = f"{node.name or output} ({operator})"
            if missing := [name for name in inputs if name and name not in given]:
                raise InputError(
                    f"{self.name}: {what} reads {missing[0]!r}, which no node before it gives; the "
                    "file is damaged, or it is a second output, which the torch route has not"
                )
            given.add(output)
            with self._named(what):
                attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if operator == "Constant":
                with self._named(what):
                    constants[output] = self._constant(attributes)
                continue
            known = operator in OPERATIONS or operator in LAYERS
            if node.domain not in ("", "ai.onnx") or not known:
                raise InputError(
                    f"{self.name}: its operator {operator} is not known to the torch route; run it "
                    "by ONNX Runtime, on the CPU"
                )
            held = {at: constants[name] for at, name in enumerate(inputs) if name in constants}
            if operator in OPERATIONS and len(held) == len([name for name in inputs if name]):
                with self._named(what):
                    found = OPERATIONS[operator]([held.get(i) for i in range(len(inputs))],
                                                 attributes)  # fmt: skip
                folded += found.numel() * found.element_size()
                if folded > LIMIT:
                    raise InputError(
                        f"{self.name}: computes more than {LIMIT:,} bytes of constants; such a "
                        "file is not read"
                    )
                constants[output] = found
                continue
            layer = None
            if operator in LAYERS and all(at in held for at, n in enumerate(inputs) if at and n):
                with self._named(what):
                    layer = LAYERS[operator](attributes, held)
            if layer is None and operator not in OPERATIONS:
                raise InputError(
                    f"{self.name}: the weights of {what} are computed in the file; the torch route "
                    "takes constants only"
                )
            name = ""
            if layer is not None:
                name, inputs = f"{operator.lower()}{place}", inputs[:1]
                self.layers[name] = layer
            used |= set(inputs)
            last = tuple(n for n in set(inputs) if read_last.get(n) == place)
            self.steps.append(Step(operator, inputs, output, attributes, name, last))
        if missing := [name for name in self.output_names if name not in given]:
            raise InputError(f"{self.name}: no node gives its output {missing[0]!r}")
        self._keep({name: constants[name] for name in constants if name in used})

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """Tell the file and the node where an attribute or a constant is not as ONNX wants it."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # they have no common class
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise InputError(f"{self.name}: {what} cannot be read ({reason})") from None

    def _keep(self, constants: dict[str, Tensor]) -> None:
        """Constants of steps without layers: biases are trained, numbers and shapes are not."""
        self.constant_names: dict[str, str] = {}
        # Those that are added or multiplied per channel are weights; a single one is a scale.
        summed = {
            name for step in self.steps if step.operator in ("Add", "Mul") and not step.layer
            for name in step.inputs
        }  # fmt: skip
        for number, (name, tensor) in enumerate(constants.items()):
            own = self.constant_names[name] = f"constant{number}"
            if tensor.is_floating_point() and tensor.numel() > 1 and name in summed:
                self.register_parameter(own, nn.Parameter(tensor))
            else:
                self.register_buffer(own, tensor)

    def _tensor(self, stored: Any) -> Tensor:
        from onnx import TensorProto, numpy_helper

        if stored.data_location == TensorProto.EXTERNAL:
            raise InputError(
                f"{self.name}: the weights of {stored.name!r} are in another file; give the path "
                "of the .onnx file, beside which it is found"
            )
        try:
            tensor = torch.from_numpy(numpy_helper.to_array(stored).copy())
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.name}: {stored.name}: {first_line(error)}") from None
        return tensor.float() if tensor.is_floating_point() else tensor

    def _constant(self, attributes: dict[str, Any]) -> Tensor:
        for name in ("value_float", "value_floats", "value_int", "value_ints"):
            if name in attributes:
                kind = torch.float32 if "float" in name else torch.int64
                return torch.tensor(attributes[name], dtype=kind)
        return self._tensor(attributes["value"])

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → the first output of the file, [B,D]."""
        found = self.outputs(x)[0]
        return found.reshape(len(x), -1) if found.ndim != 2 else found

    def outputs(self, x: Tensor) -> list[Tensor]:
        """All outputs of the file, in its order, for photos [B,C,H,W]."""
        count = len(x)
        values: dict[str, Tensor] = {
            name: getattr(self, own) for name, own in self.constant_names.items()
        }
        values[self.input_name] = x.permute(0, 2, 3, 1) if self.channels_last else x
        for step in self.steps:
            if step.layer:
                values[step.output] = self.layers[step.layer](values[step.inputs[0]])
            else:
                inputs = [values[name] if name else None for name in step.inputs]
                if step.operator == "Reshape" and self.fixed_batch:
                    inputs[1] = self._for_batch(inputs[1], count)
                values[step.output] = OPERATIONS[step.operator](inputs, step.attributes)
            for name in step.last:
                if name not in self.output_names:
                    del values[name]
        return [values[name] for name in self.output_names]

    def _for_batch(self, shape: Tensor | None, count: int) -> Tensor | None:
        """A shape of the file for another batch size than the one that it fixes."""
        if shape is None or shape.numel() < 2 or int(shape[0]) != self.fixed_batch:
            return shape
        if int((shape == -1).sum()) == 0:
            return torch.cat([shape.new_tensor([-1]), shape[1:]])
        return torch.cat([shape.new_tensor([count]), shape[1:]])
