"""The processes that train together: who am I, what do the others say, and is anyone missing.

Started by ``torchrun`` or by ``likewise train --processes``, a process finds its place in the
environment (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR``, ``MASTER_PORT``). Alone, all
of this costs nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from likewise.errors import InputError, LikewiseError
from likewise.machine import pick_device
from likewise.training.distributed.agreement import ALONE, Agreement
from likewise.training.distributed.last_words import agreed, leave_word, who_is_lost
from likewise.training.distributed.lost_peers import PeerLost, concerns_a_peer, explained_start
from likewise.training.distributed.waiting import asked_to_stop, word_of

__all__ = ["Processes"]

T = TypeVar("T")


class Processes:
    """The processes of this run; use it as a context, so that the others learn how this one ended.

    Args:
        timeout: seconds that one waits for another before it counts as lost.

    Attributes:
        rank: which one this is, from 0.
        count: how many there are.
        local_rank: which one of this machine.
        local_count: how many there are on this machine.

    Example:
        >>> from likewise.training.distributed.processes import Processes
        >>> with Processes() as processes:
        ...     processes.count, processes.total([1.0, 2.0])
        (1, [1.0, 2.0])
    """

    def __init__(self, timeout: float = 300.0) -> None:
        self.timeout = timeout
        self.rank, self.count = 0, 1
        self.local_rank, self.local_count = 0, 1
        self.store: Store | None = None
        self._begun = False
        self._times_alone = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    def __enter__(self) -> Processes:
        """Meet the others.

        Raises:
            LikewiseError: the port is taken, or not all came in time.
            InputError: the environment is not that of a launcher.
        """
        if dist.is_available() and dist.is_initialized():  # by a program around us
            self.rank, self.count = dist.get_rank(), dist.get_world_size()
            self.local_rank = _whole("LOCAL_RANK", self.rank)
            self.local_count = _whole("LOCAL_WORLD_SIZE", self.count)
            return self
        self.count = _whole("WORLD_SIZE", 1)
        if self.count == 1:
            return self
        self.rank = _whole("RANK", None)
        self.local_rank = _whole("LOCAL_RANK", self.rank)
        self.local_count = _whole("LOCAL_WORLD_SIZE", self.count)
        waiting = timedelta(seconds=self.timeout)
        try:
            store, _, _ = next(rendezvous("env://", timeout=waiting))
            store.set_timeout(waiting)
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
                store=PrefixStore("likewise/group", store),
                rank=self.rank,
                world_size=self.count,
                timeout=waiting,
            )
            self.store = store
            self._begun = True
            dist.all_reduce(torch.zeros(1))  # connects them now, where a failure is understood
        except (RuntimeError, ValueError) as error:
            self._leave()
            raise explained_start(error, self.rank, self.count, self.timeout) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.count == 1:
            return
        if error is None:
            with suppress(RuntimeError):  # they are done as well: who is late is no longer missed
                dist.barrier()
        elif concerns_a_peer(error):
            lost = who_is_lost(self.store, self.rank, error)
            self._leave()
            raise lost from error
        elif not isinstance(error, PeerLost) and not getattr(error, "agreed", False):
            leave_word(self.store, self.rank, error)
        self._leave(failed=error is not None)

    def device(self, name: str) -> torch.device:
        """The device of this process: with GPUs, one for each process of the machine.

        Raises:
            InputError: there is no such device, or there are more processes than GPUs.
        """
        device = pick_device(name)
        if device.type != "cuda" or self.local_count == 1:
            return device
        if device.index is not None:
            raise InputError(
                f"training.device: {name}: {self.local_count} processes need a GPU each; use cuda"
            )
        if self.local_count > torch.cuda.device_count():
            raise InputError(
                f"{self.local_count} processes for {torch.cuda.device_count()} GPUs; start one a "
                "GPU, or use training.device=cpu"
            )
        device = torch.device("cuda", self.local_rank)
        torch.cuda.set_device(device)
        return device

    def total(self, values: Sequence[float]) -> list[float]:
        """Each of these numbers, added up over all processes."""
        if self.count == 1:
            return [float(value) for value in values]
        numbers = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(numbers)
        return numbers.tolist()

    def table(self, values: Sequence[float]) -> list[list[float]]:
        """The numbers of each process, in the order of their ranks."""
        if self.count == 1:
            return [[float(value) for value in values]]
        own = torch.tensor(values, dtype=torch.float64)
        rows = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(rows, own)
        return [row.tolist() for row in rows]

    @property
    def agreement(self) -> Agreement:
        """The same for those who need no more than this."""
        if self.count == 1:
            return ALONE
        return Agreement(
            everyone=lambda holds: not self.any(not holds),
            sums=self.total,
            total=_added_up,
            first=self.first,
            processes=self.count,
        )

    def any(self, flag: bool) -> bool:
        """Whether it holds for any process."""
        return self.total([flag])[0] > 0

    def from_first(self, values: Sequence[float]) -> list[float]:
        """The numbers that the first process has, on all of them."""
        return self.total(values if self.first else [0.0] * len(values))

    def gather(self, value: Any) -> list[Any]:
        """What each process has, in the order of their ranks; it travels as JSON."""
        if self.count == 1:
            return [value]
        own = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
        dist.all_gather(sizes, torch.tensor([len(own)]))
        padded = torch.zeros(int(max(sizes)), dtype=torch.uint8)
        padded[: len(own)] = own
        shares = [torch.empty_like(padded) for _ in range(self.count)]
        dist.all_gather(shares, padded)
        return [
            json.loads(share[: int(size)].numpy().tobytes())
            for share, size in zip(shares, sizes, strict=True)
        ]

    def together(self, work: Callable[[], T]) -> T:
        """Do what every process has to do; if one fails, all raise the same error.

        Raises:
            LikewiseError: that of the first process that failed, as the same kind of error.
        """
        if self.count == 1:
            return work()
        result: T | None = None
        failure: LikewiseError | None = None
        try:
            result = work()
        except LikewiseError as error:
            failure = error
        told = self.gather(None if failure is None else [failure.exit_code, str(failure)])
        failed = [(rank, *note) for rank, note in enumerate(told) if note is not None]
        if not failed:
            return result  # type: ignore[return-value]  # None only if T is
        rank, code, message = failed[0]
        if len(failed) < self.count:
            message = f"process {rank}: {message}"
        raise agreed(message, code) from failure

    @contextmanager
    def first_alone(self, ask: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Let the first process work while the others wait, for as long as it takes.

        Args:
            ask: whether this process asks the first one to stop; see ``others_ask``.

        Yields:
            Whether this is the one that works.

        Raises:
            LikewiseError: the first one failed: on all.
        """
        if self.count == 1:
            yield True
            return
        self._times_alone += 1
        key = self._alone
        if not self.first:
            yield False
            self._wait_for(key, ask)
            return
        try:
            yield True
        except LikewiseError as error:
            self._say(key, json.dumps([error.exit_code, str(error)]))
            raise agreed(str(error), error.exit_code) from error
        self._say(key, "done")

    @property
    def _alone(self) -> str:
        return f"likewise/alone/{self._times_alone}"

    def others_ask(self) -> bool:
        """On the first process, within ``first_alone``: whether another one asks it to stop."""
        # Without a store there is no way for them to tell: they wait in a collective.
        return self.store is not None and asked_to_stop(self.store, self._alone)

    def _say(self, key: str, text: str) -> None:
        if self.store is None:
            self.gather(text)
        else:
            self.store.set(key, text)

    def _wait_for(self, key: str, ask: Callable[[], bool]) -> None:
        text = self.gather("")[0] if self.store is None else word_of(self.store, key, ask)
        if text != "done":
            code, message = json.loads(text)
            raise agreed(message, code)

    def _leave(self, *, failed: bool = True) -> None:
        if not self._begun:
            return
        self._begun = False
        if failed and torch.cuda.is_available():
            return  # NCCL would wait for those who are gone; the process ends anyway
        # gloo's threads drop the last tensors of a collective under Python's lock. Under torch 2.6
        # the end of the group waits for them with the lock held, for ever; so they get it before.
        time.sleep(0.2)
        with suppress(RuntimeError):
            dist.destroy_process_group()


def _added_up(values: Tensor) -> Tensor:
    dist.all_reduce(values)
    return values


def _whole(name: str, default: int | None) -> int:
    text = os.environ.get(name)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        raise InputError(
            f"{name}: {text!r} in the environment; start the processes with torchrun, or with "
            "likewise train --processes"
        ) from None
