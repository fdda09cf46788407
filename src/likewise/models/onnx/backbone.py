"""A backbone in an ONNX file, run by ONNX Runtime, on the CPU with as many threads as torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from likewise.errors import InputError, LikewiseError, first_line
from likewise.models.onnx.file import read_onnx
from likewise.models.onnx.session import CUDA, open_session

__all__ = ["OnnxBackbone"]

NUMBERS: dict[str, type[np.number]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,  # the file normalises the pixels itself
}
CHANNELS = (1, 3)  # grey or colour


class OnnxBackbone(nn.Module):
    """A network in an ONNX file: float32 [B,C,H,W] → [B,D], also if its batch size is fixed.

    The images are converted if the file takes float16 or uint8, or channels last [B,H,W,C] as
    TensorFlow does.

    Args:
        path: the file, with one input for images and the embedding as its first output.
        gpu: the number of an NVIDIA GPU to run on, where ONNX Runtime can: see ``on_gpu``.

    Raises:
        MissingExtra: onnxruntime or onnx is not installed.
        InputError: the file is not ONNX, or not such a network.
    """

    def __init__(self, path: Path, gpu: int | None = None) -> None:
        super().__init__()
        self._session = open_session(read_onnx(path), str(path), extra="onnx", gpu=gpu)
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(entry.name for entry in inputs) or "none"
            raise InputError(
                f"{path}: has {len(inputs)} inputs ({names}); an embedder has one, the photos: "
                "export the part of the network from the photo to the embedding"
            )
        (photos,) = inputs
        if len(photos.shape) != 4 or photos.type not in NUMBERS:
            raise InputError(
                f"{path}: its input {photos.name} is {photos.type} {photos.shape}; expected "
                "float32, float16 or uint8, [B,C,H,W] or [B,H,W,C]"
            )
        self.input_name: str = photos.name
        self._numbers = NUMBERS[photos.type]
        # A dimension is a number if it is fixed in the file, else a name.
        sizes = [size if isinstance(size, int) and size > 0 else None for size in photos.shape]
        self.channels_last = sizes[3] in CHANNELS and sizes[1] not in CHANNELS
        if self.channels_last:
            sizes = [sizes[0], sizes[3], sizes[1], sizes[2]]
        self.batch, self.channels, self.height, self.width = sizes

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D]; batches are padded to a fixed batch size."""
        images = self.feed(x)
        step = self.batch or max(1, len(images))
        parts = [self._run(images[i : i + step], step) for i in range(0, len(images), step)]
        return torch.from_numpy(np.concatenate(parts)).to(x.device)

    def feed(self, x: Tensor) -> np.ndarray:
        """The images [B,C,H,W] in the layout and the number format of the file."""
        images = x.detach().cpu().numpy()
        if self.channels_last:
            images = images.transpose(0, 2, 3, 1)
        if self._numbers is np.uint8:
            images = images.round().clip(0, 255)
        return np.ascontiguousarray(images, self._numbers)

    @property
    def on_gpu(self) -> bool:
        """Whether ONNX Runtime runs it on a GPU."""
        return CUDA in self._session.get_providers()

    @property
    def number_format(self) -> str:
        """The number format of the input: float32, float16 or uint8."""
        return np.dtype(self._numbers).name

    @property
    def takes_pixels(self) -> bool:
        """Whether the file takes uint8 pixels, and normalises them itself."""
        return self._numbers is np.uint8

    def _run(self, images: np.ndarray, step: int) -> np.ndarray:
        missing = step - len(images)
        if missing:
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])
        try:
            out = np.asarray(self._session.run(None, {self.input_name: images})[0])
        except Exception as error:  # its errors have no common class
            raise LikewiseError(f"ONNX: {first_line(error)}") from None
        if out.shape[:1] != (step,) and not (step == 1 and out.ndim == 1):
            raise LikewiseError(
                f"ONNX: its first output is {list(out.shape)} for {step} photos; it must be [B,D]"
            )
        vectors: np.ndarray = out.astype(np.float32).reshape(step, -1)
        return vectors[: step - missing]
