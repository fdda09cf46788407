"""The fingerprint of an embedder: a hash by which vectors of different networks are kept apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from likewise.data.preprocess import Preprocess
from likewise.models.onnx.file import read_onnx

__all__ = ["CachedFingerprint", "fingerprint_of"]


def fingerprint_of(
    weights: Mapping[str, Tensor], preprocess: Preprocess, onnx: Path | None = None
) -> str:
    """The first 16 hex digits of the SHA-256 over weights, preprocessing and ONNX file."""
    digest = hashlib.sha256()
    if onnx is not None:
        digest.update(read_onnx(onnx))
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name}{tensor.dtype}{list(tensor.shape)}".encode())
        # As bytes, since NumPy has no bfloat16.
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    digest.update(json.dumps(preprocess.to_dict(), sort_keys=True).encode())
    return digest.hexdigest()[:16]


class CachedFingerprint:
    """The fingerprint of an embedder, computed again only if a weight has changed."""

    def __init__(self) -> None:
        self._value = ""
        self._weights: list[tuple[int, int]] = []  # their addresses and versions then

    def of(self, weights: Mapping[str, Tensor], preprocess: Preprocess, onnx: Path | None) -> str:
        """As ``fingerprint_of``."""
        now = [
            (tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version)
            for tensor in weights.values()
        ]
        if not self._value or now != self._weights:
            self._value = fingerprint_of(weights, preprocess, onnx)
            self._weights = now
        return self._value
