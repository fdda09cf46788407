"""Import networks trained elsewhere: ONNX files, and weights such as InsightFace's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

from torch import Tensor

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError
from likewise.models.backbones.timm_backbone import TimmBackbone
from likewise.models.backbones.timm_input import timm_preprocess
from likewise.models.backbones.timm_weights import TRUNK, trunk_weights
from likewise.models.embedder import Embedder
from likewise.models.onnx.backbone import OnnxBackbone
from likewise.models.registry import Backbone, create_backbone, is_timm
from likewise.models.state_dict import network_part, read_state_dict, warn_of_rest

__all__ = ["import_onnx", "import_weights"]


def import_onnx(path: str | Path, preprocess: Preprocess) -> Embedder:
    """Make an embedder of an ONNX file; sizes that are fixed in the file override those given.

    A file that takes uint8 gets the pixels as they are, whatever mean and deviation are given.

    Args:
        path: the file; external data is read from the same folder.
        preprocess: from a photo to the input of the network, as in its training.

    Raises:
        InputError: the file is not ONNX, takes another number of channels, or does not map a photo
            to an embedding.
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
    if module.takes_pixels:  # so that the file normalises them itself
        channels = preprocess.channels
        preprocess = replace(preprocess, mean=(0.0,) * channels, std=(1 / 255,) * channels)
    embedder = Embedder(module, preprocess)
    embedder.source_file = path
    try:
        embedder.dimension  # noqa: B018  # runs a forward pass on a blank photo
    except LikewiseError as error:
        raise InputError(f"{path}: does not map a photo to an embedding ({error})") from None
    return embedder


def import_weights(path: str | Path, backbone: Backbone, preprocess: Preprocess) -> Embedder:
    """Make an embedder of weights trained elsewhere, such as InsightFace's ``backbone.pth``.

    Trained weights of timm, torchvision or DINOv2 for a network of timm give its features as they
    are, without a last layer: their number is that of timm, and what is left at its default in
    ``preprocess`` is as in timm. The file is read as plain weights; no code in it is run. Other
    tensors of a checkpoint, such as class weights, are left out with a warning that names them.

    Args:
        path: a state dictionary or a checkpoint of PyTorch, or a ``.safetensors``.
        backbone: the network of the weights.
        preprocess: from a photo to its input; the default one is that of InsightFace.

    Raises:
        InputError: the file cannot be read safely, its weights are of another network, or one is
            not finite; names the first parameter that does not fit.
    """
    path = Path(path)
    found = read_state_dict(path)
    if is_timm(backbone.name) and not any(TRUNK in name for name in found):
        return _import_features(path, found, backbone, preprocess)
    module = create_backbone(
        backbone, height=preprocess.height, width=preprocess.width, channels=preprocess.channels
    )
    expected = module.state_dict()
    state, rest = network_part(found, expected, str(path))
    what = f"{backbone.name} with {backbone.embedding_dim} dimensions"
    _require_fit(path, state, expected, what)
    warn_of_rest(str(path), rest)
    module.load_state_dict(state, strict=False)
    return Embedder(module, preprocess, backbone)


def _import_features(
    path: Path, found: dict[str, Tensor], backbone: Backbone, preprocess: Preprocess
) -> Embedder:
    """The features of a network of timm, with trained weights."""
    half, channels = (0.5,) * preprocess.channels, preprocess.channels
    default = Preprocess(channels=channels, mean=half, std=half)
    used = timm_preprocess(backbone.name, channels=channels)
    own = {
        field.name: getattr(preprocess, field.name)
        for field in fields(Preprocess)
        if getattr(preprocess, field.name) != getattr(default, field.name)
    }
    preprocess = replace(used, **own)
    module = create_backbone(
        backbone, height=preprocess.height, width=preprocess.width, channels=preprocess.channels
    )
    assert isinstance(module, TimmBackbone)
    state, rest = trunk_weights(module, found, str(path))
    state = {name.removeprefix(TRUNK): tensor for name, tensor in state.items()}
    _require_fit(path, state, module.trunk.state_dict(), f"{backbone.name} of timm")
    warn_of_rest(str(path), rest)
    module.trunk.load_state_dict(state, strict=False)
    return Embedder(module.trunk, preprocess)


def _require_fit(
    path: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str
) -> None:
    """Check that the weights of a file are those of a network, and finite."""
    for name in sorted(expected.keys() | state.keys()):
        found_shape = tuple(state[name].shape) if name in state else "missing"
        wanted = tuple(expected[name].shape) if name in expected else "missing"
        if found_shape != wanted and not name.endswith("num_batches_tracked"):
            raise InputError(
                f"{path}: not the weights of {what}: {name} is {found_shape} in the file and "
                f"{wanted} in the network"
            )
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise InputError(f"{path}: {name} holds NaN or infinity; these weights are of no use")
