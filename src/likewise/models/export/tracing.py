"""A network of torch as an ONNX graph: float32 [batch,C,H,W] → [batch,D], with a free batch size.

Torch has two exporters. The one that traces needs no package besides torch and onnx, and works from
torch 2.6 to 2.14; torch will remove it some day. The newer one needs onnxscript, of a version that
fits both torch and onnx: with torch 2.6 no version was found that does. So the first is tried
first, and the second is the fall-back. What a trace may miss, such as a choice that depends on the
batch size, is found by the comparison with torch that follows.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import nn

from likewise.errors import InputError, LikewiseError, MissingExtra, first_line
from likewise.models.onnx.file import LIMIT

__all__ = ["INPUT", "OPSET", "OUTPUT", "to_graph"]

OPSET = 18
"""The version of the operators: ONNX Runtime >= 1.14 and OpenVINO >= 2023 run it."""

INPUT, OUTPUT = "image", "embedding"

log = logging.getLogger(__name__)


def to_graph(network: nn.Module, shape: tuple[int, int, int], name: str) -> tuple[Any, str]:
    """Export a network to ONNX.

    Args:
        network: on the CPU, in evaluation mode.
        shape: of an image: channels, height, width.
        name: of the network, for messages.

    Returns:
        The ``onnx.ModelProto``, and the name of the exporter.

    Raises:
        MissingExtra: onnx is not installed.
        InputError: the weights exceed the 2 GiB of an ONNX file.
        LikewiseError: no exporter of torch can export this network.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("export to ONNX", "onnx") from error
    tensors = (*network.parameters(), *network.buffers())
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if size > LIMIT:
        raise InputError(
            f"{name}: its weights take {size:,} bytes, an ONNX file holds up to {LIMIT:,}; "
            "export it with --to torch"
        )
    images = torch.zeros(2, *shape)
    exporters: tuple[Callable[..., bytes], ...] = (_traced, _captured)
    reasons = []
    for exporter in exporters:
        try:
            with warnings.catch_warnings(), redirect_stdout(io.StringIO()), torch.no_grad():
                warnings.simplefilter("ignore")
                content = exporter(network, images)
            return onnx.ModelProto.FromString(content), exporter.__name__.lstrip("_")
        except Exception as error:  # the errors of the exporters have no common class
            log.debug("%s: %s", exporter.__name__, error)
            reasons.append(first_line(error))
    raise LikewiseError(
        f"{name}: torch cannot export this network to ONNX ({'; '.join(reasons)}); "
        "try --to torch, or replace the operation that is named"
    )


def _traced(network: nn.Module, images: torch.Tensor) -> bytes:
    """By the exporter that traces."""
    stream = io.BytesIO()
    torch.onnx.export(
        network,
        (images,),
        stream,  # type: ignore[arg-type]  # this exporter takes a stream, the other does not
        dynamo=False,
        opset_version=OPSET,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
    )
    return stream.getvalue()


def _captured(network: nn.Module, images: torch.Tensor) -> bytes:
    """By the newer exporter, which captures the graph with torch.export."""
    program = torch.onnx.export(
        network,
        (images,),
        dynamo=True,
        verbose=False,
        opset_version=OPSET,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
    )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content
