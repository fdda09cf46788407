"""Bring in networks trained elsewhere: ONNX files, and weights such as InsightFace's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError
from likewise.models.embedder import Embedder
from likewise.models.onnx_backbone import OnnxBackbone
from likewise.models.registry import Backbone, create_backbone
from likewise.models.state_dict import network_part, read_state_dict, warn_of_rest

__all__ = ["import_onnx", "import_weights"]


def import_onnx(path: str | Path, preprocess: Preprocess) -> Embedder:
    """Make an embedder of an ONNX file; the sizes that the file fixes override those given.

    Args:
        path: the file; weights in a second file are read from beside it.
        preprocess: how a photo becomes its input, as whoever trained it says.

    Raises:
        InputError: it is not ONNX, takes another number of channels, or does not turn a photo
            into an embedding.
    """
    path = Path(path)
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
    try:
        embedder.dimension  # noqa: B018  # runs a blank photo through it
    except LikewiseError as error:
        raise InputError(f"{path}: does not turn a photo into an embedding ({error})") from None
    return embedder


def import_weights(path: str | Path, backbone: Backbone, preprocess: Preprocess) -> Embedder:
    """Make an embedder of weights trained elsewhere, such as InsightFace's ``backbone.pth``.

    Nothing in the file is run: it is read as plain weights. What a checkpoint holds beside the
    network, such as the classes of its loss, is left out, with a warning that names it.

    Args:
        path: a state dictionary or a checkpoint of PyTorch, or a ``.safetensors``.
        backbone: which network the weights are of.
        preprocess: how a photo becomes its input; InsightFace's is the default one.

    Raises:
        InputError: the file cannot be read safely, its weights are of another network, or one is
            not finite; names the first parameter that does not fit.
    """
    path = Path(path)
    found = read_state_dict(path)
    module = create_backbone(
        backbone, height=preprocess.height, width=preprocess.width, channels=preprocess.channels
    )
    expected = module.state_dict()
    state, rest = network_part(found, expected, str(path))
    for name in sorted(expected.keys() | state.keys()):
        there = tuple(state[name].shape) if name in state else "missing"
        wanted = tuple(expected[name].shape) if name in expected else "not there"
        if there != wanted and not name.endswith("num_batches_tracked"):
            raise InputError(
                f"{path}: not the weights of {backbone.name} with {backbone.embedding_dim} "
                f"dimensions: {name} is {there} in the file and {wanted} in the network"
            )
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise InputError(f"{path}: {name} holds NaN or infinity; these weights are of no use")
    warn_of_rest(str(path), rest)
    module.load_state_dict(state, strict=False)
    return Embedder(module, preprocess, backbone)
