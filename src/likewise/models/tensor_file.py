"""safetensors files, written and read in pieces, so that memory is bounded for any size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor

from likewise.errors import InputError
from likewise.models.weights_file import require_weights_file
from likewise.storage import new_file

__all__ = ["TensorFile", "Written", "read_tensors", "write_tensor_file"]

KEY = "likewise"
PIECE = 2**25  # bytes that are copied at a time
NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.complex64: "C64",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True)
class Written:
    """The size and checksum of a file.

    Args:
        bytes: the size.
        sha256: of the content, in hex.
    """

    bytes: int
    sha256: str


def write_tensor_file(path: Path, tensors: Mapping[str, Tensor], values: Any) -> Written:
    """Write tensors and a JSON value as one safetensors file, atomically, 32 MiB at a time.

    Memory-mapped tensors are not copied as a whole.

    Raises:
        LikewiseError: the disk is full or the folder cannot be written; the old file stays.
    """
    # The widest types first, as in the safetensors library, so that every tensor is aligned.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": {KEY: json.dumps(values)}}
    end = 0
    for name in names:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    digest, size = hashlib.sha256(), 0
    with new_file(path) as temporary, temporary.open("wb") as stream:
        for piece in _content(text, [tensors[name] for name in names]):
            stream.write(piece)
            digest.update(piece)
            size += len(piece)
    return Written(size, digest.hexdigest())


def _content(header: bytes, tensors: list[Tensor]) -> Iterator[bytes | memoryview]:
    yield len(header).to_bytes(8, "little")
    yield header
    for tensor in tensors:
        flat = tensor.detach().reshape(-1)  # a view if the tensor is contiguous
        step = PIECE // max(1, tensor.element_size())
        for start in range(0, len(flat), step):
            piece = flat[start : start + step].cpu()
            yield piece.view(torch.uint8).numpy().data


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read all tensors and the JSON value of a file that ``write_tensor_file`` wrote.

    The file is opened once, so that header and tensors belong together if it is being replaced.

    Raises:
        InputError: the file is missing, damaged, or not of Likewise.
    """
    require_weights_file(path)
    try:
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        return load(content), json.loads(header["__metadata__"][KEY])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: damaged, or not a file of Likewise ({error})") from None


class TensorFile:
    """A file that ``write_tensor_file`` wrote, opened to read parts of it.

    Args:
        path: of the file.

    Attributes:
        values: the JSON value in its header.
        names: of its tensors.

    Raises:
        InputError: the file is missing, damaged, or not of Likewise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            opened: Any = safe_open
            self._file = opened(path, framework="pt")
            self.names: list[str] = list(self._file.keys())
            self.values: Any = json.loads((self._file.metadata() or {})[KEY])
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: damaged, or not a file of Likewise ({error})") from None

    def tensor(self, name: str) -> Tensor:
        """A whole tensor."""
        found: Tensor = self._file.get_tensor(name)
        return found

    def shape(self, name: str) -> list[int]:
        """The shape of a tensor."""
        shape: list[int] = self._file.get_slice(name).get_shape()
        return shape

    def dtype(self, name: str) -> torch.dtype:
        """The type of a tensor."""
        code = self._file.get_slice(name).get_dtype()
        return next(dtype for dtype, known in NAMES.items() if known == code)

    def rows_into(self, name: str, start: int, target: Tensor) -> None:
        """Copy the rows from ``start`` on into ``target`` [n, …], 32 MiB at a time."""
        rows = self._file.get_slice(name)
        each = target[:1].numel() * target.element_size()
        step = max(1, PIECE // max(1, each))
        for done in range(0, len(target), step):
            count = min(step, len(target) - done)
            target[done : done + count].copy_(rows[start + done : start + done + count])
