"""Read a checkpoint: a folder with one file for all processes, one for each rank, and an index.

``checkpoints/step-00001234/`` holds ``shared.safetensors`` (network, loss, optimizer, EMA),
``process-0-of-2.safetensors`` for each rank (its class rows with their moments, its random state),
and ``checkpoint.json``, which lists every file with its size and checksum. It is written last: a
folder without it is not a checkpoint. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from likewise.errors import InputError, LikewiseError
from likewise.models.tensor_file import TensorFile, Written
from likewise.storage import sha256_of, write_json

__all__ = ["INDEX", "SHARED", "Checkpoint", "Parts", "process_file", "write_index"]

Parts = dict[str, dict[str, Tensor]]
INDEX = "checkpoint.json"
SHARED = "shared.safetensors"
FORMAT = 1


def process_file(rank: int, processes: int) -> str:
    """The name of the file of a rank."""
    return f"process-{rank}-of-{processes}.safetensors"


def write_index(
    folder: Path, processes: int, files: dict[str, Written], values: dict[str, Any]
) -> None:
    """Write ``checkpoint.json``, which completes the checkpoint.

    Raises:
        LikewiseError: the disk is full or the folder cannot be written.
    """
    content = {
        "format": FORMAT,
        "processes": processes,
        "files": {name: [file.bytes, file.sha256] for name, file in files.items()},
        "values": values,
    }
    write_json(folder / INDEX, {**content, "sha256": _checksum(content)})


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass
class Checkpoint:
    """A checkpoint; any number of processes can read it.

    Args:
        folder: of the checkpoint.
        processes: the number of processes that wrote it.
        files: the size and checksum of each file.
        values: further facts of the run.
    """

    folder: Path
    processes: int
    files: dict[str, Written]
    values: dict[str, Any]
    _open: dict[str, TensorFile] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Read the index, and check that every file exists with its full size.

        Raises:
            InputError: a file is missing or damaged.
        """
        path = folder / INDEX
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            checksum = content.pop("sha256")
            if checksum != _checksum(content) or content["format"] != FORMAT:
                raise InputError(f"{path}: damaged, or of another version of Likewise")
            files = {
                str(Path(name).name): Written(*written)
                for name, written in content["files"].items()
            }
            found = cls(folder, content["processes"], files, content["values"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, LikewiseError):
                raise
            raise InputError(f"{path}: missing or damaged ({error})") from None
        for name, written in found.files.items():
            file = folder / name
            size = file.stat().st_size if file.is_file() else -1
            if size != written.bytes:
                state = "missing" if size < 0 else f"{size:,} bytes instead of {written.bytes:,}"
                raise InputError(f"{file}: {state}")
        return found

    def verify(self, share: int = 0, shares: int = 1) -> None:
        """Compare the checksums of every ``shares``-th file, from file ``share`` on.

        Raises:
            InputError: a file has changed.
        """
        for name in sorted(self.files)[share::shares]:
            try:
                same = sha256_of(self.folder / name) == self.files[name].sha256
            except OSError as error:
                raise InputError(f"{self.folder / name}: {error.strerror}") from None
            if not same:
                raise InputError(f"{self.folder / name}: its content is not what was written")

    def shared(self) -> Parts:
        """The tensors that all ranks share, by part: network, loss, optimizer, …"""
        return _parts(self._file(SHARED))

    def own(self, rank: int) -> Parts:
        """The tensors of one rank, by part, without those that are split by rows."""
        file = self._file(process_file(rank, self.processes))
        return _parts(file, without=file.values["rows"])

    def row_names(self) -> list[str]:
        """The names of the tensors that are split by rows."""
        return sorted(self._file(process_file(0, self.processes)).values["rows"])

    def row_shape(self, name: str) -> tuple[list[int], torch.dtype]:
        """The shape and type of the whole tensor, which is split by rows."""
        first = self._file(process_file(0, self.processes))
        return [first.values["rows"][name][1], *first.shape(name)[1:]], first.dtype(name)

    def rows_into(self, name: str, start: int, target: Tensor) -> None:
        """Fill ``target`` [n, …] with the rows from ``start`` on, whichever ranks wrote them.

        Raises:
            InputError: rows are missing, or have another shape.
        """
        stop, filled = start + len(target), 0
        for rank in range(self.processes):
            file = self._file(process_file(rank, self.processes))
            if name not in file.values["rows"]:
                raise InputError(f"{self.folder}: {name} is not split by rows there")
            shape = file.shape(name)
            if shape[1:] != list(target.shape[1:]):
                raise InputError(
                    f"{self.folder}: {name} has rows of shape {shape[1:]}, not "
                    f"{list(target.shape[1:])}"
                )
            begin = int(file.values["rows"][name][0])
            low, high = max(start, begin), min(stop, begin + shape[0])
            if low < high:
                file.rows_into(name, low - begin, target[low - start : high - start])
                filled += high - low
        if filled != len(target):
            raise InputError(
                f"{self.folder}: {name} has {filled} of the rows {start} to {stop - 1}"
            )

    def _file(self, name: str) -> TensorFile:
        if name not in self._open:
            self._open[name] = TensorFile(self.folder / name)
        return self._open[name]


def _parts(file: TensorFile, without: dict[str, Any] | None = None) -> Parts:
    parts: Parts = {}
    for key in file.names:
        if without is None or key not in without:
            part, _, name = key.partition("/")
            parts.setdefault(part, {})[name] = file.tensor(key)
    return parts
