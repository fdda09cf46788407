"""Photos through a network, batch by batch, without gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from likewise.arguments import check_count
from likewise.data.images import BadImage, ImageSource
from likewise.data.preprocess import Preprocess
from likewise.data.reader import read_pixels
from likewise.errors import LikewiseError
from likewise.models.forward_pass import ForwardPass, device_of

__all__ = ["BadWeights", "device_of", "embed_batches", "forward"]


class BadWeights(LikewiseError):
    """The embeddings of a network have no direction: they are not finite, or zero."""


def forward(
    module: nn.Module | ForwardPass, preprocess: Preprocess, pixels: Tensor, *, flip: bool = False
) -> Tensor:
    """The embeddings float32 [N,D], on the CPU, of pixels uint8 [N,C,H,W].

    Args:
        module: the network, float32 [B,C,H,W] → [B,D]; or how it is run, if not in float32.
        preprocess: from pixels to its input.
        pixels: as ``preprocess.pixels`` gives them.
        flip: add the embedding of the mirrored image.

    Raises:
        BadWeights: an embedding is not finite.
    """
    if not isinstance(module, ForwardPass):
        module = ForwardPass(module, batch_size=len(pixels))
    parts = []
    with torch.inference_mode():
        for part in pixels.split(module.step):
            images = preprocess.normalise(part.to(module.device))
            found = module(images)
            if flip:
                found = found + module(images.flip(-1))
            parts.append(found.cpu())
        vectors = torch.cat(parts)
    if not bool(torch.isfinite(vectors).all()):
        if module.precision is torch.float16:
            raise BadWeights(
                "embed: the output of the network is not finite in fp16, whose largest number is "
                "65,504; try bf16 or float32"
            )
        raise BadWeights("embed: the output of the network is not finite; its weights are bad")
    return vectors


def embed_batches(
    module: nn.Module | ForwardPass,
    preprocess: Preprocess,
    sources: Iterable[ImageSource],
    batch_size: int,
    *,
    flip: bool = False,
) -> Iterator[tuple[Tensor, list[int], list[BadImage]]]:
    """Embed photos; threads decode the next ones while the network works.

    A photo's embedding does not depend on the batch size or the number of threads, up to rounding.

    Yields:
        The embeddings of a batch [b,D], the indices of their sources, and the broken photos; if
        all of a batch are broken, the embeddings are empty.

    Raises:
        InputError: ``batch_size`` is not a whole number of at least 1.
        BadWeights: an embedding is not finite.
    """
    check_count("batch_size", batch_size)
    if not isinstance(module, ForwardPass):
        module = ForwardPass(module, batch_size=batch_size)
    outcomes = enumerate(read_pixels(sources, preprocess, ahead=2 * batch_size))
    while batch := list(islice(outcomes, batch_size)):
        pixels = {row: outcome for row, outcome in batch if isinstance(outcome, Tensor)}
        bad = [outcome for _, outcome in batch if isinstance(outcome, BadImage)]
        vectors = torch.empty(0, 0)
        if pixels:
            vectors = forward(module, preprocess, torch.stack(list(pixels.values())), flip=flip)
        yield vectors, list(pixels), bad
