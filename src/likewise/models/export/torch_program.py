"""A network as a program of ``torch.export``: one file that runs without Likewise."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from likewise.errors import LikewiseError, first_line

__all__ = ["FACTS", "Program", "write_program"]

FACTS = "likewise.json"  # inside of the file: what its input is, and where it comes from


def write_program(
    network: nn.Module, images: Tensor, path: Path, facts: dict[str, Any], name: str
) -> None:
    """Write the program, with a free batch size.

    Args:
        network: on the CPU, in evaluation mode.
        images: a batch of two, as the network takes them.
        path: of the file.
        facts: plain values that are stored inside of the file.
        name: of the network, for messages.

    Raises:
        LikewiseError: torch cannot capture this network.
    """
    batch = torch.export.Dim("batch", min=1)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(network, (images,), dynamic_shapes=({0: batch},))
    except Exception as error:  # the errors of the exporter have no common class
        raise LikewiseError(
            f"{name}: torch.export cannot export this network ({first_line(error)})"
        ) from None
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it holds paths of this machine
    # By a stream, since torch wants the suffix .pt2; it warns of weights in channels-last order.
    with path.open("wb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, stream, extra_files={FACTS: json.dumps(facts)})


class Program:
    """A program that was just written by ``write_program``, to compare it.

    Never open a file from elsewhere: ``torch.export.load`` may unpickle parts of it.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        with warnings.catch_warnings(), path.open("rb") as stream:
            warnings.simplefilter("ignore")
            self._module = torch.export.load(stream).module()

    def __call__(self, images: Tensor) -> Tensor:
        """The output for a batch, as the program takes it."""
        with torch.inference_mode():
            found: Tensor = self._module(images)
            return found
