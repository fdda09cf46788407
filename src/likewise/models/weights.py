"""Tensors and a JSON header in one safetensors file: nothing is pickled, nothing is torn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from likewise.errors import InputError
from likewise.models.weights_file import require_weights_file
from likewise.storage import new_file

__all__ = ["read_tensors", "write_tensors"]

KEY = "likewise"


def write_tensors(path: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Write tensors and plain values atomically.

    Raises:
        LikewiseError: the disk is full or the folder cannot be written; the old file stays.
    """
    ready = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with new_file(path) as temporary:
        try:
            save_file(ready, temporary, {KEY: json.dumps(values)})
        except SafetensorError as error:  # its own name for what the system reports
            raise OSError(str(error)) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``write_tensors`` wrote.

    The file is opened once: one that is replaced meanwhile is read as it was.

    Raises:
        InputError: it is missing, damaged, or not of Likewise.
    """
    require_weights_file(path)
    try:
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        return load(content), json.loads(header["__metadata__"][KEY])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: damaged, or no safetensors of Likewise ({error})") from None
