"""Read many photos by threads, in order and in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from torch import Tensor

from likewise.data.images import BadImage, ImageSource
from likewise.data.preprocess import Preprocess
from likewise.machine import usable_cores

__all__ = ["read_ahead", "read_pixels"]

S = TypeVar("S")
T = TypeVar("T")


def read_ahead(
    sources: Iterable[S], read: Callable[[S], T], *, ahead: int = 128
) -> Iterator[T | BadImage]:
    """Yield ``read(source)`` for each source, in order; a ``BadImage`` is yielded, not raised.

    Threads suffice, because Pillow's decoders release the GIL.

    Args:
        sources: arguments of ``read``.
        read: may raise ``BadImage``.
        ahead: how many sources are read in advance.
    """

    def attempt(source: S) -> T | BadImage:
        try:
            return read(source)
        except BadImage as bad:
            return bad

    waiting: deque[Future[T | BadImage]] = deque()
    stream = iter(sources)
    pool = ThreadPoolExecutor(usable_cores(), thread_name_prefix="read")
    try:
        waiting.extend(pool.submit(attempt, source) for source in islice(stream, ahead))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(attempt, source) for source in islice(stream, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def read_pixels(
    sources: Iterable[ImageSource], preprocess: Preprocess, *, ahead: int = 128
) -> Iterator[Tensor | BadImage]:
    """Yield the pixels of each source, uint8 [C,H,W], or its ``BadImage``, in order.

    Args:
        sources: paths, encoded bytes, photos in a store, PIL images or arrays.
        preprocess: crops and resizes them.
        ahead: how many sources are decoded in advance.
    """
    return read_ahead(sources, preprocess.pixels, ahead=ahead)
