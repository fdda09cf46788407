"""Sessions of ONNX Runtime, and graphs whose sizes of the input are free."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from likewise.errors import InputError, MissingExtra, first_line

__all__ = ["CUDA", "open_session", "torch_threads", "with_free_sizes"]

CUDA = "CUDAExecutionProvider"  # of the package onnxruntime-gpu
CPU = "CPUExecutionProvider"
ERRORS_ONLY = 3  # the severity below which ONNX Runtime says nothing


def open_session(content: bytes, name: str, *, extra: str = "faces", gpu: int | None = None) -> Any:
    """An inference session on the CPU, or on a GPU.

    Args:
        content: of an ONNX file.
        name: of the network, for messages.
        extra: of Likewise, which brings ONNX Runtime.
        gpu: the number of an NVIDIA GPU; where ONNX Runtime has no provider for it, or cannot
            start it, the session runs on the CPU: ``session.get_providers()`` tells.

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
    providers: list[Any] = [CPU]
    if gpu is not None and CUDA in onnxruntime.get_available_providers():
        # TF32 has 10 bits of mantissa: embeddings would differ from those of the CPU.
        providers = [(CUDA, {"device_id": gpu, "use_tf32": "0"}), CPU]
    try:
        return onnxruntime.InferenceSession(content, options, providers)
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
