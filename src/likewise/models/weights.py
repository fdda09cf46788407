"""Tensors and JSON values in one safetensors file, written atomically; nothing is pickled."""

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
    """Write tensors and JSON values atomically.

    Raises:
        LikewiseError: the disk is full or the folder cannot be written; the old file stays.
    """
    ready = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with new_file(path) as temporary:
        try:
            save_file(ready, temporary, {KEY: json.dumps(values)})
        except SafetensorError as error:  # how the library reports errors of the system
            raise OSError(str(error)) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file that ``write_tensors`` wrote.

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
