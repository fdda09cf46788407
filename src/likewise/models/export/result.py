"""What an export was: the file, its form, and how close it is to the original."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from likewise.data.embeddings import Embeddings
from likewise.data.images import BadImage
from likewise.models.export.quantization import QuantizationLoss

__all__ = ["Export"]


@dataclass(frozen=True)
class Export:
    """An exported network.

    Args:
        path: the file; beside an ONNX file lies a ``.json`` of the same name.
        fingerprint: by which vectors are compared: that of the original; an own one for int8.
        differences: the largest absolute difference of unit-length embeddings from the original,
            by batch size; for int8 those of the float32 graph before it is quantised.
        input: the name of the input, its number format, and its shape.
        opset: the version of ONNX's operators; None for a program of torch.
        normalized: the file gives embeddings of length 1.
        quantization: what int8 costs; None for float32.
        held_out: embeddings of the held-out photos by float32 and by int8.
        bad_images: photos that were left out, since they cannot be read.

    Example:
        >>> import likewise
        >>> exported = likewise.export(model, "model.onnx")
        >>> exported.path.name, exported.input[1]
        ('model.onnx', 'float32')
    """

    path: Path
    fingerprint: str
    differences: dict[int, float]
    input: tuple[str, str, tuple[str | int, ...]]
    opset: int | None
    normalized: bool
    quantization: QuantizationLoss | None = None
    held_out: tuple[Embeddings, Embeddings] | None = field(default=None, repr=False)
    bad_images: tuple[BadImage, ...] = ()
