"""Memory-mapped tensors: the operating system keeps only the pages in use in memory."""

from __future__ import annotations

import errno
import math
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import torch
from torch import Tensor

from likewise.errors import LikewiseError

__all__ = ["mapped_zeros"]


def mapped_zeros(folder: Path, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """Zeros in a new file in ``folder``, mapped into memory.

    The operating system writes changes to disk; no anonymous memory is used. The file is deleted
    as soon as it is mapped, so it disappears with the process, however that ends; checkpoints
    keep its content. Its disk space is allocated at once, so that a disk that fills up later
    cannot stop a run in the middle of a write.

    Raises:
        LikewiseError: the disk has too little free space, or the folder cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from likewise.losses.classes.mapped_rows import mapped_zeros
        >>> with TemporaryDirectory() as folder:
        ...     rows = mapped_zeros(Path(folder), (1000, 64))
        >>> rows[3] = 1.0
        >>> float(rows.sum())
        64.0
    """
    size = math.prod(shape)
    if size == 0:
        return torch.zeros(*shape, dtype=dtype)
    length = size * dtype.itemsize
    path = folder / f".rows-{uuid4().hex[:12]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < length:
            raise OSError(errno.ENOSPC, "")
        with path.open("xb") as stream:
            os.posix_fallocate(stream.fileno(), 0, length)
        flat = torch.from_file(str(path), shared=True, size=size, dtype=dtype)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise LikewiseError(
                f"{folder}: {length / 2**30:.2f} GiB are needed for class rows, "
                f"{free / 2**30:.2f} GiB are free; free some space or choose another head.folder"
            ) from None
        raise LikewiseError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            path.unlink()
    return flat.view(*shape)
