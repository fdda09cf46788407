"""The recognition model of an InsightFace pack that the user has, such as ``buffalo_l``.

InsightFace keeps its packs in ``~/.insightface/models/NAME``: several ONNX files each, for
detection, landmarks, age and recognition. Nothing is downloaded here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from likewise.cache import home_folder
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError, MissingExtra, first_few
from likewise.models.embedder import Embedder
from likewise.models.importing import import_onnx
from likewise.models.onnx.file import read_onnx

__all__ = ["LICENSE", "PREFIX", "load_insightface"]

PREFIX = "insightface:"
LICENSE = "InsightFace: non-commercial research only"
RECOGNITION = ("w600k_r50.onnx", "w600k_mbf.onnx", "glintr100.onnx")  # of the published packs
FIRST_NODES = 8  # among which a network that normalises its input itself has Sub and Mul


def load_insightface(name: str) -> Embedder:
    """The recognition model of a pack, as an embedder with InsightFace's preprocessing.

    Args:
        name: of the pack: a folder in ``~/.insightface/models``.

    Raises:
        MissingExtra: onnxruntime or onnx is not installed.
        InputError: there is no such pack, or no recognition model in it.

    Source:
        ``insightface/model_zoo/model_zoo.py`` and ``arcface_onnx.py``: which file of a pack is the
        recognition model, and how its input is normalised.

    Example:
        >>> from likewise.models.zoo.insightface import load_insightface
        >>> load_insightface("buffalo_l").dimension  # doctest: +SKIP
        512
    """
    packs = home_folder() / ".insightface" / "models"
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(f"{PREFIX}{name}: must be the name of a pack, like {PREFIX}buffalo_l")
    folder = packs / name
    if not folder.is_dir():
        there = (
            sorted(path.name for path in packs.iterdir() if path.is_dir()) if packs.is_dir() else []
        )
        known = f"packs there: {first_few(there)}" if there else "no pack is there"
        raise InputError(
            f"{PREFIX}{name}: no folder {folder} ({known}); InsightFace downloads it, or unpack "
            f"{name}.zip of its releases there"
        )
    # Some packs are unpacked into a folder of the same name inside.
    files = sorted([*folder.glob("*.onnx"), *folder.glob("*/*.onnx")])
    files.sort(key=lambda path: path.name not in RECOGNITION)
    for path in files:
        model = _parse(path)
        if path.name in RECOGNITION or _recognises(model):
            embedder = import_onnx(path, _preprocess(model))
            embedder.about = {"Imported from": f"{PREFIX}{name}, {path.name}", "License": LICENSE}
            return embedder
    raise InputError(
        f"{PREFIX}{name}: none of the {len(files)} .onnx files in {folder} is a recognition model "
        "(one output, square photos of 112 pixels)"
    )


def _parse(path: Path) -> Any:
    content = read_onnx(path)
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra(path.name, "onnx") from error
    return onnx.ModelProto.FromString(content)


def _recognises(model: Any) -> bool:
    """Whether a file is for recognition, by the sizes of its input, as InsightFace tells."""
    stored = {tensor.name for tensor in model.graph.initializer}
    photos = [entry for entry in model.graph.input if entry.name not in stored]
    sizes = [dim.dim_value for entry in photos for dim in entry.type.tensor_type.shape.dim]
    square = len(sizes) == 4 and sizes[1:] in ([3, 112, 112], [3, 224, 224])
    return square and len(model.graph.output) == 1


def _preprocess(model: Any) -> Preprocess:
    """(x - 127.5) / 127.5 in RGB; none where the network begins with it."""
    operators = {node.op_type for node in model.graph.node[:FIRST_NODES]}
    if {"Sub", "Mul"} <= operators:
        return Preprocess(mean=(0.0,) * 3, std=(1 / 255,) * 3, alignment="arcface")
    return Preprocess(alignment="arcface")
