"""Decode a column of base64 texts of a fixed length, vectorised."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["decoded_floats"]

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_UNKNOWN = 64
_DIGIT = np.full(256, _UNKNOWN, np.uint8)
_DIGIT[np.frombuffer(_ALPHABET, np.uint8)] = np.arange(64)


def decoded_floats(
    texts: pa.LargeBinaryArray, count: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Decode base64 texts of ``count`` little-endian float32 each.

    Args:
        texts: N texts.
        count: the numbers per text.

    Returns:
        float32 [N, count]; and bool [N], True for invalid texts, whose numbers are arbitrary.
    """
    size = 4 * count
    width = (size + 2) // 3 * 4
    pad = -size % 3
    misfit: NDArray[np.bool_] = pc.binary_length(texts).to_numpy() != width
    if misfit.any():
        texts = pc.if_else(pa.array(misfit), pa.scalar(b"?" * width, texts.type), texts)
    together = pa.ListArray.from_arrays(pa.array([0, len(texts)]), texts.cast(pa.binary()))
    letters = np.frombuffer(pc.binary_join(together, b"")[0].as_buffer(), np.uint8)
    letters = letters.reshape(-1, width)
    digits = _DIGIT[letters[:, : width - pad]]
    wrong = (digits == _UNKNOWN).any(axis=1) | (letters[:, width - pad :] != ord("=")).any(axis=1)
    bits = np.pad(digits, ((0, 0), (0, pad))).astype(np.uint32).reshape(-1, width // 4, 4)
    groups = bits[..., 0] << 18 | bits[..., 1] << 12 | bits[..., 2] << 6 | bits[..., 3]
    found = np.stack([groups >> 16, groups >> 8, groups], axis=-1).astype(np.uint8)
    found = found.reshape(-1, width // 4 * 3)
    wrong |= found[:, size:].any(axis=1)  # strict: unused bits must be zero
    floats = np.ascontiguousarray(found[:, :size]).view("<f4")
    return floats, wrong
