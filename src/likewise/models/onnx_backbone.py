"""An ONNX file as a backbone, run by ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from likewise.errors import InputError, LikewiseError, MissingExtra

__all__ = ["OnnxBackbone"]


class OnnxBackbone(nn.Module):
    """A network stored as ONNX: float32 [B,C,H,W] → [B,D], whatever batch its file is fixed to.

    Args:
        path: the file; it must have one image input and an embedding as its first output.

    Raises:
        MissingExtra: onnxruntime is not installed.
        InputError: it is not ONNX, or not such a network.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra(f"{path.name}", "onnx") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors share no class
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: cannot be read as ONNX ({reason})") from None
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 4 or inputs[0].type != "tensor(float)":
            raise InputError(f"{path}: expected one input float32 [B,C,H,W], found {shape}")
        self.input_name: str = inputs[0].name
        # A dimension is a number where the file fixes it, else a name.
        self.batch, self.channels, self.height, self.width = (
            size if isinstance(size, int) and size > 0 else None for size in shape
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D]; a fixed batch is filled up, and what was added is cut off."""
        images = np.ascontiguousarray(x.detach().cpu().numpy(), np.float32)
        step = self.batch or max(1, len(images))
        parts = [self._run(images[i : i + step], step) for i in range(0, len(images), step)]
        return torch.from_numpy(np.concatenate(parts)).to(x.device)

    def _run(self, images: np.ndarray, step: int) -> np.ndarray:
        missing = step - len(images)
        if missing:
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.float32)])
        try:
            out = self._session.run(None, {self.input_name: images})[0]
        except Exception as error:  # its errors share no class
            raise LikewiseError(f"ONNX: {str(error).splitlines()[0]}") from None
        vectors: np.ndarray = np.asarray(out, np.float32).reshape(step, -1)
        return vectors[: step - missing]
