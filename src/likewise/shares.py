"""The share of an offline job that each process does; results are gathered through files.

Started by ``torchrun``, a process reads its rank from the environment (``RANK``, ``WORLD_SIZE``,
``LOCAL_WORLD_SIZE``). A single process does all of the work and writes no files. Several processes
exchange files in a shared folder, not by collectives, which have a time limit; if a process fails,
the launcher ends the others.

A file is named by a hash of the inputs that its content depends on. So a restarted job reuses the
files of a killed run that had the same inputs, and ignores all others.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from likewise.errors import InputError, LikewiseError
from likewise.storage import new_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

__all__ = ["Share", "environment_count", "own_share"]


@dataclass(frozen=True)
class Share:
    """One process's part of the work.

    Args:
        rank: of this process, from 0.
        count: the world size.
        folder: for the files that the processes exchange; all processes must have access to it.

    Example:
        >>> from likewise.shares import Share
        >>> Share(rank=1, count=3).span(100, step=8)
        slice(32, 64, None)
    """

    rank: int = 0
    count: int = 1
    folder: Path = Path(".shares")

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.count:
            raise InputError(
                f"RANK {self.rank}, WORLD_SIZE {self.count}: start the processes with torchrun"
            )

    @property
    def is_rank_zero(self) -> bool:
        """Whether this is rank 0, which merges the shares, writes files and reports."""
        return self.rank == 0

    def span(self, total: int, step: int = 1) -> slice:
        """The contiguous rows of this process among ``total``, in whole steps of ``step`` rows.

        Shares are as equal as possible. Batches of ``step`` rows are those of a single process.
        """
        steps = -(-total // step)
        ends = [steps * rank // self.count * step for rank in (self.rank, self.rank + 1)]
        return slice(min(ends[0], total), min(ends[1], total))

    def device(self, name: str) -> str:
        """The device of this process: each process of a machine gets its own GPU."""
        if self.count == 1 or name not in ("auto", "cuda"):
            return name
        import torch

        if not torch.cuda.is_available():
            return name
        return f"cuda:{environment_count('LOCAL_RANK', self.rank) % torch.cuda.device_count()}"

    def gather(
        self, name: str, key: object, work: Callable[[], Arrays], *, everywhere: bool = False
    ) -> list[Arrays] | None:
        """Compute this process's share of a step, and gather the shares of all processes.

        Args:
            name: of the step, for the names of its files.
            key: everything that the result depends on, as JSON, except rank and world size.
            work: computes the share: arrays of numbers or text, by name.
            everywhere: all processes get the shares, and rank 0 waits until all have read them,
                so that it removes no file too early; otherwise only rank 0 gets them.

        Returns:
            The shares in the order of the ranks; None on all ranks but 0, unless ``everywhere``.

        Raises:
            LikewiseError: the folder cannot be written, or a share in it is damaged.
        """
        if self.count == 1:
            return [work()]
        text = json.dumps([key, self.count], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:24]
        files = [self.folder / f"{name}-{digest}-{rank}.npz" for rank in range(self.count)]
        if not files[self.rank].exists():
            _write(files[self.rank], work())
        if not (self.is_rank_zero or everywhere):
            return None
        found = [_read(_awaited(file)) for file in files]
        if everywhere:
            self._confirm_read(f"{name}-{digest}")
        return found

    def _confirm_read(self, step: str) -> None:
        """Rank 0 waits until all other ranks of this run have read the shares of a step."""
        names = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")
        run = hashlib.sha256(repr([os.environ.get(name) for name in names]).encode()).hexdigest()
        read = [self.folder / f"{step}-{rank}-read-{run[:8]}.npz" for rank in range(self.count)]
        if not self.is_rank_zero:
            _write(read[self.rank], {})
            return
        for file in read[1:]:
            _awaited(file)

    def clear(self) -> None:
        """Remove the files of all shares, once rank 0 has merged them and saved the results."""
        if self.count > 1 and self.is_rank_zero:
            for pattern in ("*.npz", ".*.npz.*.tmp"):
                for file in self.folder.glob(pattern):
                    file.unlink(missing_ok=True)
            with suppress(OSError):
                self.folder.rmdir()


def own_share(beside: Path | None = None) -> Share:
    """The share of this process, from the environment that the launcher set.

    Args:
        beside: the output of the job; the processes exchange files in a folder beside it. If None,
            in the temporary folder of the machine.

    Raises:
        InputError: the environment is not that of a launcher, or the processes are on several
            machines and no folder was given.
    """
    rank, count = environment_count("RANK", 0), environment_count("WORLD_SIZE", 1)
    if count == 1:
        return Share()
    if beside is not None:
        place = beside.absolute()
        return Share(rank, count, place.with_name(f".{place.name}.shares"))
    if environment_count("LOCAL_WORLD_SIZE", count) != count:
        raise InputError(
            "the processes are on several machines; give --out a folder on a shared file system"
        )
    return Share(rank, count, _private_folder())


def environment_count(name: str, default: int | None) -> int:
    """A number that the launcher sets in the environment; without a default it must be there.

    Raises:
        InputError: it is missing, or not a whole number.
    """
    text = os.environ.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        raise InputError(f"{name}: {text!r} in the environment; start the processes with torchrun")
    return int(text)


def _private_folder() -> Path:
    """A folder that only this user can write; its name is the process id of the launcher."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(gettempdir()) / f"likewise-shares-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if hasattr(os, "getuid") and (status.st_uid != user or status.st_mode & 0o022):
        raise InputError(f"{folder}: other users can write to it; choose another folder with --out")
    return folder / str(os.getppid())


def _write(file: Path, arrays: Arrays) -> None:
    import numpy as np

    with new_file(file) as temporary, temporary.open("wb") as stream:
        # NumPy 1.26 has no argument allow_pickle here: it would save an array of that name.
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # the stub reserves allow_pickle


def _awaited(file: Path) -> Path:
    for pause in _pauses():
        if file.exists():
            break
        time.sleep(pause)
    return file


def _pauses() -> Iterator[float]:
    pause = 0.005
    while True:
        yield pause
        pause = min(0.25, 1.5 * pause)


def _read(file: Path) -> Arrays:
    import numpy as np

    try:
        with np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise LikewiseError(f"{file}: damaged ({error}); remove it and start again") from None
