"""Out of memory: one line that says which settings to lower."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from likewise.errors import LikewiseError

__all__ = ["explained_out_of_memory"]

ASKED = re.compile(r"(?:allocate|you tried to allocate) ([\d.]+ ?(?:[KMGT]i?B|bytes))", re.I)


@contextmanager
def explained_out_of_memory() -> Iterator[None]:
    """Turn an out-of-memory error of the CPU or a GPU into one that names the settings to lower.

    Raises:
        LikewiseError: the block ran out of memory.
    """
    import torch

    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = " ".join(str(error).split())
        gpu = isinstance(error, torch.OutOfMemoryError)
        cpu = isinstance(error, MemoryError) or "DefaultCPUAllocator" in text
        if not (gpu or cpu):
            raise
        asked = ASKED.search(text)
        raise LikewiseError(
            f"out of memory on the {'GPU' if gpu else 'CPU'}"
            + (f" ({asked[1]} more were requested)" if asked else "")
            + "; lower batch.size (or batch.identities × batch.images), input.height and "
            "input.width, data.keep_mib, or, with many classes, head.sample (0.1 compares with "
            "a tenth of them in each step) or use head.storage=mmap; then continue with --resume"
        ) from error
