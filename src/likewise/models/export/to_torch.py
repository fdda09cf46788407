"""An embedder as a program of ``torch.export``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from likewise.models.embedder import Embedder
from likewise.models.export.network import ExportedNetwork, plain_network
from likewise.models.export.parity import largest_differences, require_parity
from likewise.models.export.result import Export
from likewise.models.export.torch_program import Program, write_program
from likewise.models.inference import forward
from likewise.models.loading import in_torch
from likewise.models.onnx_backbone import OnnxBackbone
from likewise.storage import new_file

__all__ = ["write_torch"]


def write_torch(
    embedder: Embedder, out: Path, images: list[Tensor], *, normalize: bool, preprocess: bool
) -> Export:
    """Write the program of an embedder, if it agrees with the original on ``images``.

    Args:
        embedder: of torch, or of an ONNX file.
        out: the file, ``.pt2``.
        images: to compare on, from ``check_images``.
        normalize: scale the embeddings to length 1.
        preprocess: take uint8 [B,H,W,C], and normalise them.

    Raises:
        InputError: the network is an ONNX file with an operator that torch has no equal of.
        LikewiseError: torch cannot export the network, or its export gives other embeddings.
    """
    settings, module = embedder.preprocess, embedder.module
    if isinstance(module, OnnxBackbone):
        assert embedder.source_file is not None
        module = in_torch(embedder.source_file)
    network = plain_network(module)
    around = ExportedNetwork(network, settings if preprocess else None, normalize=normalize).eval()
    size: tuple[int, ...] = (settings.channels, settings.height, settings.width)
    name, kind = "image", "float32"
    if preprocess:
        size, name, kind = (*size[1:], size[0]), "pixels", "uint8"
    facts = {
        "network": embedder.network,
        "exported_from": embedder.fingerprint,
        "preprocess": settings.to_dict(),
        "input": {"name": name, "type": kind, "shape": ["batch", *size]},
        "normalized": normalize,
    }
    with new_file(out) as temporary:
        example = torch.zeros(2, *size, dtype=torch.uint8 if preprocess else torch.float32)
        write_program(around, example, temporary, facts, embedder.network)
        program = Program(temporary)

        def exported(pixels: Tensor) -> Tensor:
            given = pixels.permute(0, 2, 3, 1) if preprocess else settings.normalise(pixels)
            return program(given)

        original = partial(forward, embedder.module, settings)
        differences = largest_differences(images, original, exported)
        require_parity(embedder.network, differences)
    shape: tuple[str | int, ...] = ("batch", *size)
    return Export(
        out, embedder.fingerprint, differences, (name, kind, shape), None, normalized=normalize
    )
