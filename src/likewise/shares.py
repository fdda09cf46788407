"""The share of an offline job that each process does; what they found is gathered through files.

Started by ``torchrun``, a process finds its place in the environment (``RANK``, ``WORLD_SIZE``,
``LOCAL_WORLD_SIZE``). Alone, it does everything and writes nothing. The processes meet in a folder
that all of them see, so that none has to wait for another within a time limit: the launcher ends
the rest when one fails.

A file is named after what it was made of. So one that a killed run left behind is either what the
next run needs, which then goes on from there, or is not looked at.
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
        rank: which process this is, from 0.
        count: how many there are.
        folder: where they meet; every process must see it.

    Example:
        >>> from likewise.shares import Share
        >>> Share(rank=1, count=3).stretch(100, step=8)
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
    def first(self) -> bool:
        """Whether this is the process that puts together, writes and tells."""
        return self.rank == 0

    def stretch(self, total: int, step: int = 1) -> slice:
        """This process's rows of ``total``: whole steps, as even as they can be.

        Where each works in batches of ``step`` rows, the batches are those of one process alone.
        """
        steps = -(-total // step)
        ends = [steps * rank // self.count * step for rank in (self.rank, self.rank + 1)]
        return slice(min(ends[0], total), min(ends[1], total))

    def device(self, name: str) -> str:
        """The device of this process: of a machine's GPUs each process takes its own."""
        if self.count == 1 or name not in ("auto", "cuda"):
            return name
        import torch

        if not torch.cuda.is_available():
            return name
        return f"cuda:{environment_count('LOCAL_RANK', self.rank) % torch.cuda.device_count()}"

    def gather(
        self, name: str, key: object, work: Callable[[], Arrays], *, everywhere: bool = False
    ) -> list[Arrays] | None:
        """Do this process's share of a step, and put all shares side by side.

        Args:
            name: what the step is called in the files.
            key: all that the result depends on, as JSON, but for rank and count.
            work: does the share; arrays of numbers or text by name.
            everywhere: all processes get the shares, and the first goes on when all have them, so
                that it removes none that another still wants; otherwise only the first does.

        Returns:
            The shares in the order of the ranks; None on the others, unless ``everywhere``.

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
        if not (self.first or everywhere):
            return None
        found = [_read(_awaited(file)) for file in files]
        if everywhere:
            self._tell_that_it_is_read(f"{name}-{digest}")
        return found

    def _tell_that_it_is_read(self, step: str) -> None:
        """The first waits for all others; what an earlier run told does not count."""
        names = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")
        run = hashlib.sha256(repr([os.environ.get(name) for name in names]).encode()).hexdigest()
        read = [self.folder / f"{step}-{rank}-read-{run[:8]}.npz" for rank in range(self.count)]
        if not self.first:
            _write(read[self.rank], {})
            return
        for file in read[1:]:
            _awaited(file)

    def clear(self) -> None:
        """Remove the shares, once the first process has put them together and written the rest."""
        if self.count > 1 and self.first:
            for pattern in ("*.npz", ".*.npz.*.tmp"):
                for file in self.folder.glob(pattern):
                    file.unlink(missing_ok=True)
            with suppress(OSError):
                self.folder.rmdir()


def own_share(beside: Path | None = None) -> Share:
    """This process's place among those of the launcher.

    Args:
        beside: what the job writes; the processes meet in a folder next to it. If None, in one
            within the machine's temporary folder.

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
            "the processes are on several machines; name a folder that all of them see with --out"
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
    """One that nobody else can write, and that belongs to this launcher, the parent of us all."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(gettempdir()) / f"likewise-shares-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if hasattr(os, "getuid") and (status.st_uid != user or status.st_mode & 0o022):
        raise InputError(f"{folder}: others can write it; name a folder with --out")
    return folder / str(os.getppid())


def _write(file: Path, arrays: Arrays) -> None:
    import numpy as np

    with new_file(file) as temporary, temporary.open("wb") as stream:
        # NumPy 1.26 has no allow_pickle here: it would store it as an array of that name.
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # to the stub any name may be that


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
