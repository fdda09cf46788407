"""The networks of detectors, opened once a process, for photos of any size."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.models.onnx.session import open_session, torch_threads, with_free_sizes
from likewise.models.zoo.weights import weights_path

__all__ = ["MAX_EXPONENT", "network_input", "open_network"]

MULTIPLE = 32  # inputs are padded right and below to it
MAX_EXPONENT = 10.0  # exp of it is larger than any photo


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


def network_input(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels uint8 [H,W,3] as float32 [1,3,h,w] from 0 to 255, padded to multiples of 32."""
    height, width = pixels.shape[:2]
    rows, columns = (-(-side // MULTIPLE) * MULTIPLE for side in (height, width))
    padded = np.zeros((1, 3, rows, columns), np.float32)
    padded[0, :, :height, :width] = pixels.transpose(2, 0, 1)
    return padded


@cache
def _opened(name: str, threads: int, process: int) -> Any:  # noqa: ARG001  # the key of the cache
    return open_session(with_free_sizes(weights_path(name), ["1", "3", "h", "w"]), name)
