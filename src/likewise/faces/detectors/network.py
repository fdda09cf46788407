"""The networks of detectors, opened once a process, for photos of any size."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from likewise.models.onnx.session import open_session, torch_threads, with_free_sizes
from likewise.models.zoo.weights import weights_path

__all__ = ["open_network"]


def open_network(name: str) -> Any:
    """The session of a detector's network; it uses as many threads as torch does at this time.

    A process that was forked opens its own: the threads of a session do not survive a fork. So a
    worker that calls ``torch.set_num_threads(1)`` takes one core, whenever it does so.

    Args:
        name: of the weights, such as ``yunet``.

    Raises:
        MissingExtra: the extra ``faces`` is not installed.
        LikewiseError: the weights are not at hand.
    """
    return _opened(name, torch_threads(), os.getpid())


@cache
def _opened(name: str, threads: int, process: int) -> Any:  # noqa: ARG001  # the key of the cache
    return open_session(with_free_sizes(weights_path(name), ["1", "3", "h", "w"]), name)
