"""Bring in networks trained elsewhere: ONNX files and InsightFace's ``.pth`` weights."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.embedder import Embedder
from likewise.models.onnx_backbone import OnnxBackbone
from likewise.models.registry import Backbone, create_backbone

__all__ = ["import_onnx", "import_pth", "read_pth"]


def import_onnx(path: str | Path, preprocess: Preprocess) -> Embedder:
    """Make an embedder of an ONNX file; the sizes that the file fixes override those given.

    Args:
        path: the file.
        preprocess: how a photo becomes its input, as whoever trained it says.

    Raises:
        InputError: it is not ONNX, or takes another number of channels.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    module = OnnxBackbone(path)
    if module.channels not in (None, preprocess.channels):
        raise InputError(
            f"{path}: takes {module.channels} channels, the preprocessing gives "
            f"{preprocess.channels}"
        )
    preprocess = replace(
        preprocess,
        height=module.height or preprocess.height,
        width=module.width or preprocess.width,
    )
    embedder = Embedder(module, preprocess)
    embedder.source_file = path
    return embedder


def import_pth(path: str | Path, backbone: Backbone, preprocess: Preprocess) -> Embedder:
    """Make an embedder of a PyTorch state dictionary, such as InsightFace's ``backbone.pth``.

    Nothing in the file is run: it is read with ``weights_only=True``.

    Args:
        path: the file.
        backbone: which network the weights are of.
        preprocess: how a photo becomes its input; InsightFace's is the default one.

    Raises:
        InputError: the file cannot be read safely, or its weights are of another network; names
            the first parameter that does not fit.
    """
    path = Path(path)
    state = read_pth(path)
    module = create_backbone(
        backbone, height=preprocess.height, width=preprocess.width, channels=preprocess.channels
    )
    expected = module.state_dict()
    for name in sorted(expected.keys() | state.keys()):
        there = tuple(state[name].shape) if name in state else "missing"
        wanted = tuple(expected[name].shape) if name in expected else "not there"
        if there != wanted and not name.endswith("num_batches_tracked"):
            raise InputError(
                f"{path}: not the weights of {backbone.name} with {backbone.embedding_dim} "
                f"dimensions: {name} is {there} in the file and {wanted} in the network"
            )
    module.load_state_dict(state, strict=False)
    return Embedder(module, preprocess, backbone)


def read_pth(path: Path) -> dict[str, Tensor]:
    """The weights in a PyTorch state dictionary by their names; nothing in the file is run.

    Raises:
        InputError: it is missing, cannot be read as plain weights, or holds something else.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read as plain weights ({reason})") from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise InputError(f"{path}: not a state dictionary (names with their tensors)")
    # DataParallel puts "module." before every name.
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}
