"""The ranks that train together: their process group, its collectives, and how errors spread.

Started by ``torchrun`` or by ``likewise train --processes``, a process finds its rank in the
environment (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR``, ``MASTER_PORT``). For a
single process every method answers at once.
"""

from __future__ import annotations

import json
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
from likewise.shares import environment_count
from likewise.training.distributed.lost_peers import PeerLost, is_connection_error, rendezvous_error
from likewise.training.distributed.store_messages import (
    common_error,
    peer_lost_error,
    record_first_error,
    stop_requested,
    wait_for_message,
)

__all__ = ["Processes"]

T = TypeVar("T")


class Processes:
    """The process group of a run, as a context: the other ranks learn how this one ended.

    Args:
        timeout: seconds that a rank waits for another before that one counts as lost.

    Attributes:
        rank: of this process.
        count: the world size.
        local_rank: the rank among the processes of this machine.
        local_count: how many processes this machine has.

    Example:
        >>> from likewise.training.distributed.processes import Processes
        >>> with Processes() as processes:
        ...     processes.count, processes.sum([1.0, 2.0])
        (1, [1.0, 2.0])
    """

    def __init__(self, timeout: float = 300.0) -> None:
        self.timeout = timeout
        self.rank, self.count = 0, 1
        self.local_rank, self.local_count = 0, 1
        self.store: Store | None = None
        self._owns_group = False
        self._rank_zero_sections = 0

    @property
    def is_rank_zero(self) -> bool:
        """Whether this is rank 0, which alone writes files and reports."""
        return self.rank == 0

    def __enter__(self) -> Processes:
        """Join the other ranks.

        Raises:
            LikewiseError: the port is taken, or not all ranks joined in time.
            InputError: the environment is not that of a launcher.
        """
        if dist.is_available() and dist.is_initialized():  # by a surrounding program
            self.rank, self.count = dist.get_rank(), dist.get_world_size()
            self.local_rank = environment_count("LOCAL_RANK", self.rank)
            self.local_count = environment_count("LOCAL_WORLD_SIZE", self.count)
            return self
        self.count = environment_count("WORLD_SIZE", 1)
        if self.count == 1:
            return self
        self.rank = environment_count("RANK", None)
        self.local_rank = environment_count("LOCAL_RANK", self.rank)
        self.local_count = environment_count("LOCAL_WORLD_SIZE", self.count)
        timeout = timedelta(seconds=self.timeout)
        try:
            store, _, _ = next(rendezvous("env://", timeout=timeout))
            store.set_timeout(timeout)
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
                store=PrefixStore("likewise/group", store),
                rank=self.rank,
                world_size=self.count,
                timeout=timeout,
            )
            self.store = store
            self._owns_group = True
            # The first collective connects the ranks: here its failure is one of the rendezvous.
            dist.all_reduce(torch.zeros(1))
        except (RuntimeError, ValueError) as error:
            self._leave()
            raise rendezvous_error(error, self.rank, self.count, self.timeout) from error
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
            with suppress(RuntimeError):  # all work is done: a rank that is late is not missed
                dist.barrier()
        elif is_connection_error(error):
            lost = peer_lost_error(self.store, self.rank, error)
            self._leave()
            raise lost from error
        elif not isinstance(error, PeerLost) and not getattr(error, "on_all_ranks", False):
            record_first_error(self.store, self.rank, error)
        self._leave(failed=error is not None)

    def device(self, name: str) -> torch.device:
        """The device of this rank: with GPUs, one for each rank of the machine.

        Raises:
            InputError: there is no such device, or there are more ranks than GPUs.
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
                f"{self.local_count} processes for {torch.cuda.device_count()} GPUs; start one for "
                "each GPU, or use training.device=cpu"
            )
        device = torch.device("cuda", self.local_rank)
        torch.cuda.set_device(device)
        return device

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each number, summed over all ranks."""
        if self.count == 1:
            return [float(value) for value in values]
        return self.sum_tensor(torch.tensor(values, dtype=torch.float64)).tolist()

    def sum_tensor(self, tensor: Tensor) -> Tensor:
        """A tensor summed over all ranks, in place."""
        if self.count > 1:
            dist.all_reduce(tensor)
        return tensor

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        return self.sum([flag])[0] > 0

    def all(self, flag: bool) -> bool:
        """Whether the flag is set on every rank."""
        return not self.any(not flag)

    def broadcast(self, values: Sequence[float]) -> list[float]:
        """The numbers of rank 0, on all ranks."""
        return self.sum(values if self.is_rank_zero else [0.0] * len(values))

    def all_gather(self, values: Sequence[float]) -> list[list[float]]:
        """The numbers of each rank, in the order of the ranks."""
        if self.count == 1:
            return [[float(value) for value in values]]
        own = torch.tensor(values, dtype=torch.float64)
        rows = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(rows, own)
        return [row.tolist() for row in rows]

    def all_gather_object(self, value: Any) -> list[Any]:
        """The value of each rank, in the order of the ranks; sent as JSON, never pickled."""
        if self.count == 1:
            return [value]
        own = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
        dist.all_gather(sizes, torch.tensor([len(own)]))
        padded = torch.zeros(int(max(sizes)), dtype=torch.uint8)
        padded[: len(own)] = own
        received = [torch.empty_like(padded) for _ in range(self.count)]
        dist.all_gather(received, padded)
        return [
            json.loads(text[: int(size)].numpy().tobytes())
            for text, size in zip(received, sizes, strict=True)
        ]

    def together(self, work: Callable[[], T]) -> T:
        """Do work on every rank; if it fails on one, all ranks raise the same error.

        Raises:
            LikewiseError: that of the lowest rank that failed, as the same kind of error.
        """
        if self.count == 1:
            return work()
        result: T | None = None
        failure: LikewiseError | None = None
        try:
            result = work()
        except LikewiseError as error:
            failure = error
        own = None if failure is None else [failure.exit_code, str(failure)]
        errors = self.all_gather_object(own)
        failed = [(rank, *error) for rank, error in enumerate(errors) if error is not None]
        if not failed:
            return result  # type: ignore[return-value]  # None only if T is
        rank, code, message = failed[0]
        if len(failed) < self.count:
            message = f"rank {rank}: {message}"
        raise common_error(message, code) from failure

    @contextmanager
    def rank_zero_only(self, stop: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Let rank 0 work while the other ranks wait, for as long as it takes.

        Args:
            stop: whether this rank asks rank 0 to stop; see ``stop_requested``.

        Yields:
            Whether this is rank 0.

        Raises:
            LikewiseError: rank 0 failed: on all ranks.
        """
        if self.count == 1:
            yield True
            return
        self._rank_zero_sections += 1
        if not self.is_rank_zero:
            yield False
            message = self._message_of_rank_zero(stop)
            if message != "done":
                code, text = json.loads(message)
                raise common_error(text, code)
            return
        try:
            yield True
        except LikewiseError as error:
            self._send(json.dumps([error.exit_code, str(error)]))
            raise common_error(str(error), error.exit_code) from error
        self._send("done")

    @property
    def _section_key(self) -> str:
        return f"likewise/rank-zero/{self._rank_zero_sections}"

    def stop_requested(self) -> bool:
        """On rank 0, within ``rank_zero_only``: whether another rank asks it to stop."""
        # Without a store the others wait in a collective, and cannot ask.
        return self.store is not None and stop_requested(self.store, self._section_key)

    def _send(self, message: str) -> None:
        if self.store is None:
            self.all_gather_object(message)
        else:
            self.store.set(self._section_key, message)

    def _message_of_rank_zero(self, stop: Callable[[], bool]) -> str:
        if self.store is None:
            return str(self.all_gather_object("")[0])
        return wait_for_message(self.store, self._section_key, stop)

    def _leave(self, *, failed: bool = True) -> None:
        if not self._owns_group:
            return
        self._owns_group = False
        if failed and torch.cuda.is_available():
            return  # NCCL would wait for ranks that are gone; the process ends anyway
        # gloo's threads free the last tensors of a collective under Python's lock. Under torch 2.6
        # destroying the group waits for them while it holds the lock, forever: let them finish.
        time.sleep(0.2)
        with suppress(RuntimeError):
            dist.destroy_process_group()
