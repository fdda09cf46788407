"""What may be given to ``Embedder.embed``, as a sequence of photos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from likewise.data.containers.dataset_store import as_pixels
from likewise.data.formats.own_dataset import photos_of
from likewise.data.images import ImageSource
from likewise.data.store import StoredPhoto

__all__ = ["sources_of"]


def sources_of(images: ImageSource | Tensor | Iterable[ImageSource | Tensor]) -> Iterator[Any]:
    """The photos of one photo, of several, or of a dataset, whose labels are not looked at.

    Raises:
        InputError: a tensor is of another shape or type.
    """
    alone = isinstance(images, str | Path | bytes | StoredPhoto | Image.Image) or (
        isinstance(images, np.ndarray | Tensor) and images.ndim < 4
    )
    sources: Any = [images] if alone else images
    if isinstance(images, torch.utils.data.Dataset) or hasattr(images, "column_names"):
        sources = photos_of(images)
    return (as_pixels(one) if isinstance(one, Tensor) else one for one in sources)
