"""Load an embedder: from a folder, by the name of a ready model, from the hub, or from ONNX."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError, first_line
from likewise.machine import pick_device
from likewise.models.calibration import Calibration
from likewise.models.embedded.norms import NormReference
from likewise.models.embedder import Embedder
from likewise.models.factory import Factory
from likewise.models.fingerprint import fingerprint_of
from likewise.models.graph.network import OnnxNetwork
from likewise.models.onnx.backbone import OnnxBackbone
from likewise.models.operating_point import OperatingPoint
from likewise.models.own_network import network_of, require_no_module
from likewise.models.registry import Backbone
from likewise.models.saving import CONFIG, IDENTITIES, WEIGHTS
from likewise.models.state_dict import STATE_FILES
from likewise.models.tensor_file import read_tensors
from likewise.models.zoo.catalogue import READY, embedder_names
from likewise.models.zoo.insightface import PREFIX, load_insightface
from likewise.models.zoo.licenses import CARDS, license_of_card, warn_of_license
from likewise.models.zoo.sface import load_sface
from likewise.storage import read_json

__all__ = ["is_exported", "load"]

HUB_FILES = [CONFIG, WEIGHTS, IDENTITIES, "model*.onnx", "program-*.safetensors", *CARDS]
NAMED: dict[str, Callable[[], Embedder]] = {"sface": load_sface}

log = logging.getLogger(__name__)


def load(
    source: str | Path,
    *,
    device: str = "cpu",
    module: nn.Module | Factory | None = None,
    allow: str | Iterable[str] = (),
) -> Embedder:
    """Load an embedder from a folder, by name, from the hub, or from an ONNX file with its JSON.

    A license that forbids commercial use is told once, by a warning.

    Args:
        source: the folder that ``Embedder.save`` wrote; a ready model, ``sface``;
            ``insightface:NAME`` for the recognition model of a pack of InsightFace that lies in
            ``~/.insightface/models/NAME``; a hub id like ``name/model``; or ``model.onnx`` next to
            a ``model.json`` (``likewise models import`` makes a folder of an ONNX file that has
            none).
        device: ``cpu``, ``cuda``, …; ``auto`` takes a GPU if there is one. ONNX files are run by
            ONNX Runtime on the CPU, and by torch elsewhere; ONNX Runtime runs those with operators
            that are not known there, on an NVIDIA GPU if it has the provider for it.
        module: a network of your own, or its factory, into which the weights are loaded. Not needed
            for networks of Likewise and timm, and for those that were captured when they were
            saved, which are for inference: give it to train such a network further.
        allow: the modules from which a factory that the model names may be imported, such as
            ``my_networks``; ``LIKEWISE_ALLOW=my_networks`` in the environment does the same. To
            import a module is to run its code, so without permission nothing is imported.

    Raises:
        InputError: the source is missing or is not an embedder, its weights do not belong to its
            configuration, ``module`` is missing or not needed, or the model names a factory that
            is not allowed.
        MissingExtra: the weights of a ready model are not installed.

    Example:
        >>> import likewise
        >>> likewise.load(model).preprocess.height
        32
    """
    path, name = Path(source), str(source)
    if path.is_dir() and (name not in NAMED or _holds_model(path)):
        embedder = _load_folder(path, module, allow)
    elif path.suffix.lower() == ".onnx" and path.exists():
        require_no_module(module, path)
        embedder = _load_onnx(path, path.with_suffix(".json"))
    elif name in NAMED or name.startswith(PREFIX):
        require_no_module(module, name)
        embedder = NAMED[name]() if name in NAMED else load_insightface(name.removeprefix(PREFIX))
    elif not path.exists() and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        embedder = _load_folder(_from_hub(name), module, allow)
    elif path.exists() and path.suffix.lower() in STATE_FILES:
        raise InputError(
            f"{source}: is a file of weights, which does not name its network; make a model's "
            f"folder of it: likewise models import {source} --out FOLDER --backbone NAME"
        )
    else:
        raise InputError(_not_found(path, name))
    warn_of_license(name, embedder.about.get("License"))
    return _moved(embedder, device)


def is_exported(path: Path) -> bool:
    """Whether a file is ONNX and has the JSON of a model beside it, as exports have."""
    beside = path.with_suffix(".json")
    if path.suffix.lower() != ".onnx" or not beside.is_file():
        return False
    with suppress(InputError):
        return _describes_model(read_json(beside))
    return False


def _describes_model(config: Any) -> bool:
    return isinstance(config, dict) and isinstance(config.get("preprocess"), dict)


def _not_found(path: Path, name: str) -> str:
    """Why a source is no embedder, and what is."""
    if path.exists():
        problem = "is neither a model's folder nor an .onnx file"
    elif name in READY:
        problem = f"is a ready model of another kind ({READY[name].kind}), not an embedder"
    else:
        problem = "not found"
    return (
        f"{name}: {problem}; a model is the folder that `likewise train` writes, or a ready "
        f"model: {', '.join(embedder_names())}"
    )


def _moved(embedder: Embedder, device: str) -> Embedder:
    """The embedder on a device; elsewhere than on the CPU, torch runs what is in an ONNX file."""
    place = pick_device(device)
    if place.type != "cpu" and embedder.source_file is not None:
        try:
            embedder.module = in_torch(embedder.source_file)
        except InputError as error:
            embedder.module = in_runtime(embedder.source_file, place)
            reason = str(error).partition("; ")[0]
            log.warning("%s; ONNX Runtime runs it %s", reason, _where(embedder.module))
    return embedder.to(place)


def in_runtime(path: Path, device: torch.device) -> OnnxBackbone:
    """The network of an ONNX file, run by ONNX Runtime: on an NVIDIA GPU where it can."""
    gpu = None
    if device.type == "cuda":
        gpu = torch.cuda.current_device() if device.index is None else device.index
    return OnnxBackbone(path, gpu)


def _where(module: OnnxBackbone) -> str:
    if module.on_gpu:
        return "on the GPU"
    return "on the CPU; for an NVIDIA GPU install onnxruntime-gpu in place of onnxruntime"


def in_torch(path: Path) -> nn.Module:
    """The network of an ONNX file, for inference by torch: its file remains its identity.

    Raises:
        InputError: it has an operator that is not known.
    """
    return OnnxNetwork(path).eval().requires_grad_(False)


def _holds_model(folder: Path) -> bool:
    return (folder / CONFIG).exists() or (folder / WEIGHTS).exists()


def _load_folder(
    folder: Path, own: nn.Module | Factory | None, allow: str | Iterable[str]
) -> Embedder:
    """The embedder of a folder; the license of its card goes with it into copies and exports."""
    embedder = _from_folder(folder, own, allow)
    if license := license_of_card(folder):
        embedder.about = {**embedder.about, "License": license}
    return embedder


def _from_folder(
    folder: Path, own: nn.Module | Factory | None, allow: str | Iterable[str]
) -> Embedder:
    config = _config_of(folder)
    if config.get("onnx"):
        require_no_module(own, folder)
        return _load_onnx(folder / Path(str(config["onnx"])).name, folder / CONFIG)
    tensors, embedded = read_tensors(folder / WEIGHTS)
    if embedded.get("fingerprint") != config.get("fingerprint"):
        config = embedded  # a crash came between writing the two files: believe the weights
    try:
        preprocess = Preprocess.from_dict(config["preprocess"])
        backbone = Backbone.from_dict(config["backbone"]) if config["backbone"] else None
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / CONFIG}: not a model's configuration ({error})") from None
    module, kind = network_of(folder, config, tensors, preprocess, backbone, own, allow)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{folder / WEIGHTS}: not the weights of {kind} ({reason})") from None
    embedder = _with_config(Embedder(module, preprocess, backbone), config)
    names = folder / IDENTITIES
    embedder.identities = read_json(names) if names.exists() else None
    return _verified(embedder, config, folder / WEIGHTS)


def _load_onnx(path: Path, config_path: Path) -> Embedder:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not config_path.exists():
        raise InputError(
            f"{path}: {config_path.name}, which describes the preprocessing, is missing beside it; "
            f"write it with: likewise models import {path} --out FOLDER"
        )
    config = read_json(config_path)
    if not _describes_model(config):
        raise InputError(f"{config_path}: not a model's configuration (no key preprocess)")
    preprocess, previous = Preprocess.from_dict(config["preprocess"]), config.get("previous")
    if previous and fingerprint_of({}, preprocess, path) != config.get("fingerprint"):
        # An export was stopped between writing the two files: the old ONNX file is still there.
        config, preprocess = previous, Preprocess.from_dict(previous["preprocess"])
    embedder = Embedder(OnnxBackbone(path), preprocess)
    embedder.source_file = path
    return _verified(_with_config(embedder, config), config, path)


def _config_of(folder: Path) -> dict[str, Any]:
    if (folder / CONFIG).exists():
        config = read_json(folder / CONFIG)
    elif (folder / WEIGHTS).exists():
        config = read_tensors(folder / WEIGHTS)[1]
    else:
        inner = folder / "model"  # as in the folder of a run
        hint = f"; did you mean {inner}?" if (inner / CONFIG).exists() else ""
        raise InputError(f"{folder}: holds no model (no {CONFIG} in it){hint}")
    if not isinstance(config, dict) or config.get("format") != 1:
        raise InputError(f"{folder / CONFIG}: not a model's configuration of format 1")
    return config


def _with_config(embedder: Embedder, config: dict[str, Any]) -> Embedder:
    point, points = config.get("operating_point"), config.get("operating_points")
    embedder.operating_point = OperatingPoint.from_dict(point) if point else None
    # Models of earlier versions have only the one.
    points = points or ([point] if point else [])
    embedder.operating_points = tuple(OperatingPoint.from_dict(values) for values in points)
    calibration = config.get("calibration")
    embedder.calibration = Calibration.from_dict(calibration) if calibration else None
    norms = config.get("norms")
    embedder.norms = NormReference.from_dict(norms) if norms else None
    embedder.about = config.get("about") or {}
    embedder.exported_from = str(config.get("exported_from") or "")
    return embedder


def _verified(embedder: Embedder, config: dict[str, Any], path: Path) -> Embedder:
    expected = config.get("fingerprint")
    if expected and embedder.own_fingerprint != expected:
        raise InputError(
            f"{path}: damaged, or its preprocessing was edited: the fingerprint is "
            f"{embedder.own_fingerprint}, {CONFIG} has {expected}"
        )
    return embedder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise LikewiseError(
            f"{name}: no such folder, and it cannot be downloaded from the hub "
            f"({first_line(error)})"
        ) from None
