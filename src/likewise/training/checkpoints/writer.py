"""Write the checkpoints of a run in the background, keep the last ones, find the newest."""

from __future__ import annotations

import json
import logging
import math
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from likewise.errors import InputError, LikewiseError
from likewise.models.tensor_file import Written, write_tensor_file
from likewise.storage import write_text
from likewise.training.checkpoints.reader import (
    INDEX,
    SHARED,
    Checkpoint,
    Parts,
    process_file,
    write_index,
)
from likewise.training.distributed.processes import Processes

__all__ = ["Checkpoints"]

log = logging.getLogger(__name__)
DONE = ".done"
PATIENCE = 5.0  # seconds to wait for the files of other ranks if the run fails
Rows = dict[str, tuple[int, int]]


class Checkpoints:
    """The folder ``checkpoints`` of a run.

    ``save`` copies the tensors and returns; a thread writes them. Each rank writes its own file and
    then a small marker file; rank 0 waits for all markers and writes the index, which completes the
    checkpoint. So no thread takes part in a collective, and a crash at any moment leaves the
    previous checkpoint intact.

    Args:
        folder: of the checkpoints, each in a folder of its own.
        processes: that write them.
        keep: the number of checkpoints to keep; older ones are removed.
    """

    def __init__(self, folder: Path, processes: Processes, keep: int = 2) -> None:
        self.folder = folder
        self.processes = processes
        self.keep = keep
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._give_up_at = math.inf  # time at which to stop waiting for markers

    def present(self) -> list[Path]:
        """The folders of complete checkpoints, the oldest first."""
        return sorted(path.parent for path in self.folder.glob(f"step-*/{INDEX}"))

    def clean(self) -> None:
        """Remove the remains of a crash: incomplete checkpoints and temporary files."""
        if not self.folder.is_dir():
            return
        complete = self.present()
        for path in self.folder.iterdir():
            if path.is_dir() and path not in complete:
                shutil.rmtree(path, ignore_errors=True)
        for pattern in (".*.tmp", f"*{DONE}"):
            for leftover in self.folder.rglob(pattern):
                leftover.unlink(missing_ok=True)

    def newest(self) -> Checkpoint | None:
        """The newest intact checkpoint; damaged ones are skipped with a warning. None: none yet.

        Raises:
            InputError: all checkpoints are damaged.
        """
        found = self.processes.all_gather_object([path.name for path in self.present()])[0]
        problem = ""
        for name in reversed(found):
            folder = self.folder / name
            try:
                # mypy cannot infer the default of the lambda, which binds this folder.
                return self.processes.together(lambda folder=folder: self._verified(folder))  # type: ignore[misc]  # the default is the type
            except InputError as error:
                problem = str(error)
                if self.processes.is_rank_zero:
                    log.warning("%s is damaged (%s); trying the previous one", folder, problem)
        if found:
            raise InputError(
                f"{self.folder}: all checkpoints are damaged (the oldest: {problem}); start a new "
                "run with another --out"
            )
        return None

    def _verified(self, folder: Path) -> Checkpoint:
        checkpoint = Checkpoint.read(folder)
        checkpoint.verify(self.processes.rank, self.processes.count)
        return checkpoint

    def save(
        self,
        step: int,
        values: dict[str, Any],
        shared: Parts,
        own: Parts,
        rows: Rows,
        *,
        large: bool = False,
    ) -> None:
        """Begin to write a checkpoint; every rank calls this after the same step.

        Args:
            step: the number in its name.
            values: facts as JSON values; those of rank 0 are written.
            shared: tensors that are the same on all ranks; those of rank 0 are written.
            own: tensors of this rank, its class rows among them.
            rows: for each tensor ``part/name`` that is split by rows: the number of its first row,
                and the rows of all ranks.
            large: write ``own`` in pieces before returning, instead of copying it first.

        Raises:
            LikewiseError: an earlier checkpoint could not be written: the disk is full.
        """
        self.wait()
        folder = self.folder / self._new_name(step)
        first, count = self.processes.is_rank_zero, self.processes.count
        self.processes.together(lambda: folder.mkdir(parents=True, exist_ok=True))
        mine = process_file(self.processes.rank, count)
        facts = {"rows": rows}
        early = (
            self.processes.together(lambda: write_tensor_file(folder / mine, _named(own), facts))
            if large
            else None
        )
        copies = None if large else _copied(own)
        everything = _copied(shared) if first else None

        def write() -> None:
            done = early or write_tensor_file(folder / mine, copies or {}, facts)
            files = {}
            if everything is not None:
                files[SHARED] = write_tensor_file(folder / SHARED, everything, {})
            if not first:
                write_text(folder / (mine + DONE), json.dumps([done.bytes, done.sha256]))
                return
            files[mine] = done
            for rank in range(1, count):
                name = process_file(rank, count)
                written = self._await_marker(folder / (name + DONE))
                if written is None:
                    return
                files[name] = written
            write_index(folder, count, files, values)
            self._tidy(folder)

        self._begin(write)

    def wait(self) -> None:
        """Wait until the checkpoint is written; every rank calls this at the same place.

        Raises:
            LikewiseError: a rank could not write: the disk is full.
        """
        first = self.processes.is_rank_zero
        if not first:
            self._join()
        if self.processes.any(self.failed):  # rank 0 would wait for a marker that never comes
            self._give_up_at = 0.0
        if first:
            self._join()
        try:
            self.processes.together(self._check)
        except LikewiseError:
            if first:
                self.clean()  # free the space of the incomplete one
            raise

    @property
    def failed(self) -> bool:
        """Whether writing failed in the background; ``wait`` raises the error."""
        return self._failure is not None

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _check(self) -> None:
        failure, self._failure = self._failure, None
        self._give_up_at = math.inf
        if failure is not None:
            raise failure

    def abandon(self) -> None:
        """Finish writing, but do not wait long for other ranks: one of them may be lost."""
        self._give_up_at = time.monotonic() + PATIENCE
        self._join()

    def _begin(self, write: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                write()
            except BaseException as error:
                self._failure = error

        self._thread = threading.Thread(target=guarded, name="checkpoint")
        self._thread.start()

    def _new_name(self, step: int) -> str:
        """A new name: an existing checkpoint is never overwritten."""
        number = 0
        if self.processes.is_rank_zero:
            while (self.folder / _name(step, number) / INDEX).exists():
                number += 1
        return _name(step, int(self.processes.broadcast([number])[0]))

    def _await_marker(self, marker: Path) -> Written | None:
        """Wait for the marker of another rank; None after the time to stop waiting."""
        while True:
            # The marker is renamed into place: once it exists, it is complete.
            with suppress(FileNotFoundError):
                written = Written(*json.loads(marker.read_text(encoding="utf-8")))
                marker.unlink()
                return written
            if time.monotonic() > self._give_up_at:
                return None
            time.sleep(0.01)

    def _tidy(self, newest: Path) -> None:
        """Remove the oldest checkpoints; their index first, so that none is incomplete."""
        for folder in self.present()[: -self.keep]:
            if folder != newest:
                (folder / INDEX).unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)


def _name(step: int, number: int) -> str:
    return f"step-{step:08d}" + (f"-{number}" if number else "")


def _named(parts: Parts) -> dict[str, Tensor]:
    return {
        f"{part}/{name}": tensor.detach()
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }


def _copied(parts: Parts) -> dict[str, Tensor]:
    """Copies on the CPU, which later steps do not modify."""
    return {
        name: torch.empty_like(tensor, device="cpu", memory_format=torch.contiguous_format).copy_(
            tensor
        )
        for name, tensor in _named(parts).items()
    }
