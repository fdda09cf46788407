"""The photos of a dataset object: a torch ``Dataset``, a Hugging Face dataset, or any sequence."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from likewise.data.images import decode
from likewise.data.store import DecodedStore
from likewise.errors import InputError, first_line

__all__ = ["DatasetPhotos", "as_photo", "as_pixels"]


class DatasetPhotos(DecodedStore):
    """The photos of one or several datasets; ``place`` is the row, counted through all of them.

    A dataset is asked for one item at a time, because many are not made for several threads. It
    must give the same photo each time: random changes belong into the training's ``transform``.

    Args:
        parts: the datasets, each with ``len()`` and ``[row]``.
        image: the key of the photo in an item that is a dictionary; None: an item is the photo, or
            begins with it.
    """

    def __init__(self, parts: Sequence[Any], image: str | None = None) -> None:
        self.parts = list(parts)
        self.key = image
        self._ends = list(accumulate(len(part) for part in self.parts))
        self._lock, self._process = Lock(), os.getpid()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def readable_item(self, row: int) -> Any:
        """The item of a row, to read its label.

        Raises:
            InputError: the dataset raises an error; names the row.
        """
        try:
            return self.item(row)
        except Exception as error:  # whatever the dataset does
            raise InputError(
                f"dataset: row {row}: its label cannot be read ({first_line(error)}); leave the "
                "row out, or give all labels, with labels= or as the attribute targets"
            ) from error

    def item(self, place: int) -> Any:
        """The item at a place, as the dataset gives it."""
        part = bisect_right(self._ends, place)
        row = place - (self._ends[part - 1] if part else 0)
        if self._process != os.getpid():  # a forked worker: its copy of the lock may be held
            self._lock, self._process = Lock(), os.getpid()
        with self._lock:
            return self.parts[part][row]

    def image(self, place: int) -> Image.Image | NDArray[np.uint8]:
        """The photo at a place: a PIL image, or uint8 [H,W], [H,W,1] or [H,W,3].

        Raises:
            InputError: the item holds no photo, or pixels of another kind.
        """
        item = self.item(place)
        if self.key is not None:
            return as_photo(item[self.key])
        return as_photo(item[0] if isinstance(item, tuple | list) else item)

    def __getstate__(self) -> dict[str, Any]:
        return {"parts": self.parts, "key": self.key}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["parts"], state["key"])  # type: ignore[misc]  # as it was made


def as_photo(value: Any) -> Image.Image | NDArray[np.uint8]:
    """What a dataset gives as a photo, as a PIL image or uint8 pixels.

    Args:
        value: a PIL image; NumPy [H,W], [H,W,1] or [H,W,3]; torch [H,W], [1,H,W] or [3,H,W]; of
            uint8, or floats from 0 to 1; or an encoded photo: bytes, a path, or what Hugging Face
            datasets give for one, ``{"bytes": …, "path": …}``.

    Raises:
        InputError: it is none of these.
        BadImage: an encoded photo cannot be decoded.

    Example:
        >>> import torch
        >>> from likewise.data.containers.dataset_store import as_photo
        >>> as_photo(torch.ones(3, 32, 20)).shape
        (32, 20, 3)
    """
    if isinstance(value, Image.Image):
        return value
    if isinstance(value, Tensor | np.ndarray):
        return as_pixels(value)
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes | str | Path):
        return decode(value)
    raise InputError(
        f"image: {type(value).__name__}; a photo is a PIL image, NumPy pixels [H,W,C], a torch "
        "tensor [C,H,W], encoded bytes or a path"
    )


def as_pixels(values: Tensor | NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels as uint8 [H,W], [H,W,1] or [H,W,3]; floats from 0 to 1 are rounded to 255 levels.

    Args:
        values: NumPy [H,W] or [H,W,C], or torch [H,W] or [C,H,W].

    Raises:
        InputError: another shape or type, or floats that are not from 0 to 1.
    """
    tensor = isinstance(values, Tensor)
    order = "[C,H,W]" if tensor else "[H,W,C]"
    kind = "a torch tensor" if tensor else "a NumPy array"
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    if tensor and array.ndim == 3:
        array = array.transpose(1, 2, 0)
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3))):
        raise InputError(
            f"image: {kind} of shape {list(values.shape)}; must be [H,W] or {order} with 1 or 3 "
            "channels"
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind != "f":
        raise InputError(f"image: pixels of {array.dtype}; must be uint8, or floats from 0 to 1")
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (low >= 0 and high <= 1):  # also false of NaN
        raise InputError(
            f"image: float pixels from {low:g} to {high:g}; must be from 0 to 1: leave out the "
            "normalization, which the network's own preprocessing does"
        )
    return np.ascontiguousarray(np.rint(array * 255).astype(np.uint8))
