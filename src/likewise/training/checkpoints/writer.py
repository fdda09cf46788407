"""The checkpoints of a run: written in the background, the last few kept, the newest whole read."""

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
from likewise.storage import write_text
from likewise.training.checkpoints.reader import (
    INDEX,
    SHARED,
    Checkpoint,
    Parts,
    process_file,
    write_index,
)
from likewise.training.checkpoints.tensor_file import Written, write_tensor_file
from likewise.training.distributed.processes import Processes

__all__ = ["Checkpoints"]

log = logging.getLogger(__name__)
DONE = ".done"
PATIENCE = 5.0  # seconds for the files of others, when the run ends before its time
Rows = dict[str, tuple[int, int]]


class Checkpoints:
    """The folder ``checkpoints`` of a run.

    Saving copies the tensors and returns; a thread writes them. Each process writes its own file
    and then a small mark; the first one waits for all marks and writes the JSON that makes the
    folder a checkpoint. So no thread takes part in a collective, and a crash at any moment leaves
    the checkpoint before as it was.

    Args:
        folder: where they lie, each in a folder of its own.
        processes: who writes them.
        keep: how many to keep; older ones are removed.
    """

    def __init__(self, folder: Path, processes: Processes, keep: int = 2) -> None:
        self.folder = folder
        self.processes = processes
        self.keep = keep
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._give_up_at = math.inf  # waiting for the marks of others

    def present(self) -> list[Path]:
        """The folders that a checkpoint was finished in, the oldest first."""
        return sorted(path.parent for path in self.folder.glob(f"step-*/{INDEX}"))

    def clean(self) -> None:
        """Remove what a crash left: checkpoints that were not finished, temporary files."""
        if not self.folder.is_dir():
            return
        whole = self.present()
        for path in self.folder.iterdir():
            if path.is_dir() and path not in whole:
                shutil.rmtree(path, ignore_errors=True)
        for pattern in (".*.tmp", f"*{DONE}"):
            for leftover in self.folder.rglob(pattern):
                leftover.unlink(missing_ok=True)

    def newest(self) -> Checkpoint | None:
        """The newest one that is whole; a damaged one is passed over with a word. None: none yet.

        Raises:
            InputError: there are some, and none is whole.
        """
        found = self.processes.all_gather_object([path.name for path in self.present()])[0]
        problem = ""
        for name in reversed(found):
            folder = self.folder / name
            try:
                # mypy cannot infer a lambda's default, which binds this turn's folder.
                return self.processes.together(lambda folder=folder: self._whole(folder))  # type: ignore[misc]  # the default is the type
            except InputError as error:
                problem = str(error)
                if self.processes.is_rank_zero:
                    log.warning("%s is damaged (%s); trying the one before", folder, problem)
        if found:
            raise InputError(
                f"{self.folder}: no checkpoint there is whole (the last problem: {problem}); "
                "start anew with another --out"
            )
        return None

    def _whole(self, folder: Path) -> Checkpoint:
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
        """Begin a checkpoint; every process calls this after the same step.

        Args:
            step: names it.
            values: plain facts; those of the first process count.
            shared: tensors that all processes have alike; those of the first process count.
            own: tensors of this process, its class rows among them.
            rows: of those that are rows of a whole, as ``part/name``: the first row, and all.
            large: write ``own`` before returning, piece by piece, instead of copying it first.

        Raises:
            LikewiseError: an earlier one could not be written: the disk is full.
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
                written = self._when_done(folder / (name + DONE))
                if written is None:
                    return
                files[name] = written
            write_index(folder, count, files, values)
            self._tidy(folder)

        self._begin(write)

    def wait(self) -> None:
        """Until what was begun is written; every process calls this at the same place.

        Raises:
            LikewiseError: one of them could not write: the disk is full.
        """
        first = self.processes.is_rank_zero
        if not first:
            self._join()
        if self.processes.any(self.failed):  # then the first waits for a mark that never comes
            self._give_up_at = 0.0
        if first:
            self._join()
        try:
            self.processes.together(self._check)
        except LikewiseError:
            if first:
                self.clean()  # the space that the half of it takes
            raise

    @property
    def failed(self) -> bool:
        """Whether something went wrong in the background; ``wait`` raises it."""
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
        """Finish what was begun, but do not wait long for the others: one of them may be gone."""
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
        """A name not yet taken: what is there is never written over."""
        number = 0
        if self.processes.is_rank_zero:
            while (self.folder / _name(step, number) / INDEX).exists():
                number += 1
        return _name(step, int(self.processes.broadcast([number])[0]))

    def _when_done(self, mark: Path) -> Written | None:
        """What another process wrote, once it has; None if nobody waits for it any more."""
        while True:
            # The mark is renamed into place whole: once it is there, it can be read.
            with suppress(FileNotFoundError):
                written = Written(*json.loads(mark.read_text(encoding="utf-8")))
                mark.unlink()
                return written
            if time.monotonic() > self._give_up_at:
                return None
            time.sleep(0.01)

    def _tidy(self, newest: Path) -> None:
        """Remove the oldest, once there is a newer one; first their JSON, so that none is half."""
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
    """Copies on the CPU, which later steps do not change."""
    return {
        name: torch.empty_like(tensor, device="cpu", memory_format=torch.contiguous_format).copy_(
            tensor
        )
        for name, tensor in _named(parts).items()
    }
