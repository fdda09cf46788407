"""Sessions of ONNX Runtime, and graphs whose sizes of the input are free."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from likewise.errors import InputError, MissingExtra, first_line

__all__ = ["open_session", "torch_threads", "with_free_sizes"]

ERRORS_ONLY = 3  # the severity below which ONNX Runtime says nothing


def open_session(content: bytes, name: str, *, extra: str = "faces") -> Any:
    """An inference session on the CPU.

    Args:
        content: of an ONNX file.
        name: of the network, for messages.
        extra: of Likewise, which brings ONNX Runtime.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        InputError: it cannot run the graph.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(name, extra) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = torch_threads()
    # Spinning threads slow down whatever else runs on the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class
        raise InputError(f"{name}: cannot be read as ONNX ({first_line(error)})") from None


def torch_threads() -> int:
    """The number of threads that torch uses: ONNX Runtime uses as many."""
    import torch

    return torch.get_num_threads()


def with_free_sizes(path: Path, sizes: Sequence[str], *, extra: str = "faces") -> bytes:
    """An ONNX file whose first input has these sizes, such as ``["1", "3", "height", "width"]``.

    Args:
        path: of the file; the sizes in it may be fixed.
        sizes: of the input: a number, or a name for a size that is free.
        extra: of Likewise, which brings the package onnx.

    Raises:
        MissingExtra: onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra(path.name, extra) from error
    model = onnx.load_model_from_string(path.read_bytes())
    shape = model.graph.input[0].type.tensor_type.shape
    for dimension, size in zip(shape.dim, sizes, strict=True):
        dimension.Clear()
        if size.isdigit():
            dimension.dim_value = int(size)
        else:
            dimension.dim_param = size
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    free: bytes = model.SerializeToString(deterministic=True)
    return free
