"""A transform of the user in place of the recipe's augmentation: torchvision, albumentations, any.

A transform draws its random numbers from global generators. Each photo sets them to the seed of its
draw, and puts them back: the pixels depend on the photo and its seed, as with the augmentation of
the recipe, not on the worker process, a restart or the number of processes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from likewise.arguments import full_name
from likewise.errors import InputError, LikewiseError, first_line

__all__ = ["OwnTransform"]

LONGEST = 300  # letters of a description


class OwnTransform:
    """Applies a user's transform to photos, each by its own seed.

    Args:
        call: the transform. One of albumentations gets ``image=`` uint8 [H,W,C], and its
            ``["image"]`` is taken; one of torchvision's v2, and any other ``nn.Module``, a tensor
            uint8 [C,H,W]; one of torchvision's older ones a PIL image; any other callable uint8
            [H,W,C].

    Raises:
        InputError: it cannot be called.

    Example:
        >>> import numpy as np
        >>> from likewise.data.augmentation.own_transform import OwnTransform
        >>> photo = np.zeros((32, 20, 3), np.uint8)
        >>> OwnTransform(lambda pixels: pixels[:20])(photo, seed=0).shape
        (20, 20, 3)
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        if not callable(call):
            raise InputError(
                f"transform: {type(call).__name__}; must be a transform of torchvision or "
                "albumentations, or a function of uint8 pixels [H,W,C]"
            )
        self.call = call
        module = type(call).__module__ or ""
        self.kind = "pixels"
        if module.startswith("albumentations"):
            self.kind = "albumentations"
        elif module.startswith("torchvision.transforms") and ".v2" not in module:
            self.kind = "PIL"
        elif isinstance(call, nn.Module) or module.startswith("torchvision.transforms"):
            self.kind = "tensor"

    @property
    def description(self) -> str:
        """What it is, in one line, for the saved recipe."""
        named = getattr(self.call, "__qualname__", None) is not None
        name = full_name(self.call) if named else full_name(type(self.call))
        text = "" if named else " ".join(repr(self.call).split())
        text = "" if re.search(r" at 0x[0-9a-f]+", text) else text
        whole = f"{name}: {text}" if text else name
        return whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"

    def __call__(self, pixels: NDArray[np.uint8], seed: int) -> Any:
        """What the transform gives for a photo: pixels in any form that a dataset may give.

        Args:
            pixels: uint8 [H,W,C]; the transform may change it.
            seed: of the random numbers.

        Raises:
            LikewiseError: the transform failed; says how.
        """
        with _seeded(seed):
            try:
                return self._call(pixels, seed)
            except Exception as error:  # the code of a user raises anything
                raise LikewiseError(
                    f"transform: {type(error).__name__}: {first_line(error)} (given pixels "
                    f"{pixels.dtype} {list(pixels.shape)})"
                ) from error

    def _call(self, pixels: NDArray[np.uint8], seed: int) -> Any:
        if self.kind == "albumentations":
            if hasattr(self.call, "set_random_seed"):  # since 1.4.19 it draws from its own numbers
                self.call.set_random_seed(seed % 2**32)
            return self.call(image=pixels)["image"]
        if self.kind == "tensor":
            return self.call(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))
        if self.kind == "PIL":
            from PIL import Image

            gray = pixels.shape[2] == 1
            return self.call(Image.fromarray(pixels[:, :, 0] if gray else pixels))
        return self.call(pixels)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Set the global random numbers of Python, NumPy and torch, and put them back at the end."""
    generator = torch.default_generator
    before = random.getstate(), np.random.get_state(), generator.get_state()  # noqa: NPY002  # old interface
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  # that of transforms which use the old interface
    generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002  # old interface
        generator.set_state(before[2])
