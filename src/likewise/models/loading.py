"""Load an embedder: from a folder, from the hub, or from an ONNX file with its JSON."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import nn

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, LikewiseError, first_line
from likewise.models.calibration import Calibration
from likewise.models.embedder import Embedder
from likewise.models.fingerprint import fingerprint_of
from likewise.models.onnx_backbone import OnnxBackbone
from likewise.models.operating_point import OperatingPoint
from likewise.models.registry import Backbone, create_backbone
from likewise.models.saving import CONFIG, IDENTITIES, MODEL_CARD, WEIGHTS
from likewise.models.state_dict import STATE_FILES
from likewise.models.tensor_file import read_tensors
from likewise.storage import read_json

__all__ = ["load"]

HUB_FILES = [CONFIG, WEIGHTS, IDENTITIES, "model*.onnx", MODEL_CARD]


def load(source: str | Path, *, device: str = "cpu", module: nn.Module | None = None) -> Embedder:
    """Load an embedder from a folder, a hub id, or an ONNX file with its JSON beside it.

    Args:
        source: the folder that ``Embedder.save`` wrote; a hub id like ``name/model``; or
            ``model.onnx`` next to a ``model.json`` (``likewise models import`` makes a folder of
            an ONNX file that has none).
        device: ``cpu``, ``cuda``, …; ``auto`` takes a GPU if there is one.
        module: the network, if the embedder was saved around a network of your own; its weights
            are loaded into it. Networks of Likewise and timm are built without it.

    Raises:
        InputError: the source is missing or is not an embedder, its weights do not belong to its
            configuration, or ``module`` is missing or not needed.

    Example:
        >>> import likewise
        >>> likewise.load(model).preprocess.height
        32
    """
    path = Path(source)
    if path.is_dir():
        embedder = _load_folder(path, module)
    elif path.suffix.lower() == ".onnx" and path.exists():
        _require_no_module(module, path)
        embedder = _load_onnx(path, path.with_suffix(".json"))
    elif not path.exists() and re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        embedder = _load_folder(_from_hub(str(source)), module)
    elif path.exists() and path.suffix.lower() in STATE_FILES:
        raise InputError(
            f"{source}: is a file of weights, which does not name its network; make a model's "
            f"folder of it: likewise models import {source} --out FOLDER --backbone NAME"
        )
    else:
        problem = "is neither a model's folder nor an .onnx file" if path.exists() else "not found"
        raise InputError(f"{source}: {problem}; a model is the folder that `likewise train` writes")
    return embedder.to(device)


def _load_folder(folder: Path, own: nn.Module | None) -> Embedder:
    config = _config_of(folder)
    if config.get("onnx"):
        _require_no_module(own, folder)
        return _load_onnx(folder / Path(str(config["onnx"])).name, folder / CONFIG)
    tensors, embedded = read_tensors(folder / WEIGHTS)
    if embedded.get("fingerprint") != config.get("fingerprint"):
        config = embedded  # a crash came between writing the two files: believe the weights
    try:
        preprocess = Preprocess.from_dict(config["preprocess"])
        backbone = Backbone(**config["backbone"]) if config["backbone"] else None
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / CONFIG}: not a model's configuration ({error})") from None
    if backbone is not None:
        _require_no_module(own, folder)
        module = create_backbone(
            backbone,
            height=preprocess.height,
            width=preprocess.width,
            channels=preprocess.channels,
        )
        kind = backbone.name
    elif own is not None:
        module, kind = own, type(own).__name__
    else:
        raise InputError(
            f"{folder}: its network is a class of its own, {config.get('network')}; "
            "load it in Python and give the network: likewise.load(folder, module=…)"
        )
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{folder / WEIGHTS}: not the weights of {kind} ({reason})") from None
    embedder = _with_config(Embedder(module, preprocess, backbone), config)
    names = folder / IDENTITIES
    embedder.identities = read_json(names) if names.exists() else None
    return _verified(embedder, config, folder / WEIGHTS)


def _require_no_module(own: nn.Module | None, source: Path) -> None:
    if own is not None:
        raise InputError(f"module: {source} names its network itself; leave module out")


def _load_onnx(path: Path, config_path: Path) -> Embedder:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not config_path.exists():
        raise InputError(
            f"{path}: {config_path.name}, which describes the preprocessing, is missing beside it; "
            f"write it with: likewise models import {path} --out FOLDER"
        )
    config = read_json(config_path)
    if not isinstance(config, dict) or not isinstance(config.get("preprocess"), dict):
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
