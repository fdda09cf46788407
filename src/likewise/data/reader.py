"""Decode many photos in threads, in order, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from torch import Tensor

from likewise.data.images import BadImage, ImageSource
from likewise.data.preprocess import Preprocess
from likewise.machine import usable_cores

__all__ = ["read_pixels"]


def read_pixels(
    sources: Iterable[ImageSource], preprocess: Preprocess, *, ahead: int = 128
) -> Iterator[Tensor | BadImage]:
    """Yield uint8 [C,H,W] of each source, or why it cannot be read, in the order given.

    Threads, not processes: Pillow's decoders let go of the interpreter while they work.

    Args:
        sources: paths, encoded bytes, PIL images or arrays.
        preprocess: how they become pixels.
        ahead: how many may be decoded before they are asked for.
    """

    def attempt(source: ImageSource) -> Tensor | BadImage:
        try:
            return preprocess.pixels(source)
        except BadImage as bad:
            return bad

    waiting: deque[Future[Tensor | BadImage]] = deque()
    stream = iter(sources)
    pool = ThreadPoolExecutor(usable_cores(), thread_name_prefix="decode")
    try:
        waiting.extend(pool.submit(attempt, source) for source in islice(stream, ahead))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(attempt, source) for source in islice(stream, 1))
    finally:
        pool.shutdown(cancel_futures=True)
