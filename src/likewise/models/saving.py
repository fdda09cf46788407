"""Write an embedder's folder: ``config.json``, the weights or the ONNX file, ``MODEL_CARD.md``.

The weights are written before ``config.json``, with a copy of it in their header. So after a crash
between the two the weights alone are enough to load the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from likewise.models.card import model_card
from likewise.models.graph.captured import Program, write_program_file
from likewise.models.onnx.file import read_onnx
from likewise.models.tensor_file import write_tensor_file
from likewise.storage import new_file, read_json, write_json, write_text

__all__ = ["CONFIG", "IDENTITIES", "MODEL_CARD", "WEIGHTS", "write_model", "write_onnx_config"]

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
IDENTITIES = "identities.json"
MODEL_CARD = "MODEL_CARD.md"


def write_model(
    folder: Path,
    config: dict[str, Any],
    weights: dict[str, Tensor],
    *,
    dimension: int,
    identities: list[str] | None = None,
    onnx: Path | None = None,
    program: Program | None = None,
) -> Path:
    """Write the files of an embedder.

    Args:
        folder: where to write them.
        config: ``Embedder.config()``.
        weights: the state dictionary of the network.
        dimension: D of its embeddings.
        identities: the people it was trained on, in the order of their labels.
        onnx: the ONNX file of the network, which is copied in place of the weights.
        program: the captured network, if it is of a class that ``load`` cannot build.

    Raises:
        LikewiseError: the folder cannot be written or the disk is full; existing files stay.
    """
    if identities is not None:
        write_json(folder / IDENTITIES, identities)
    if onnx is not None:
        # Named by its content: until the new configuration is written, the old one has its file.
        config = {**config, "onnx": f"model-{config['fingerprint']}.onnx"}
        with new_file(folder / config["onnx"]) as temporary:
            temporary.write_bytes(read_onnx(onnx))
    else:
        if program is not None:
            config = {**config, "program": program.file_name}
            write_program_file(folder, program)
        write_tensor_file(folder / WEIGHTS, weights, config)
    write_json(folder / CONFIG, config)
    write_text(folder / MODEL_CARD, model_card(config, dimension, identities))
    return folder


def write_onnx_config(path: Path, config: dict[str, Any]) -> None:
    """Write the configuration beside an ONNX file again, with what else is there.

    Args:
        path: of the ONNX file.
        config: ``Embedder.config()``.
    """
    beside = path.with_suffix(".json")
    kept = {key: value for key, value in read_json(beside).items() if key != "previous"}
    write_json(beside, {**kept, **config})
