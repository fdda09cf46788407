"""Several real gloo processes for a test: each runs one function and leaves what it returns."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

Work = Callable[[int, int], Any]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(work: Work, rank: int, world: int, port: int, folder: str, met: bool) -> None:
    from likewise.training.distributed.processes import Processes

    torch.set_num_threads(1)
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    os.environ |= {name: str(value) for name, value in places.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with Processes(timeout=60) if met else nullcontext():
        torch.save(work(rank, world), Path(folder) / f"{rank}-of-{world}.pt")


def together(work: Work, world: int, folder: Path, *, met: bool = True) -> list[Any]:
    """What ``work(rank, world)`` returns on each of ``world`` processes, in a process group.

    With ``met=False`` they are only told where to meet, as ``torchrun`` does.
    """
    server = multiprocessing.get_context("forkserver")  # imports torch once for all
    server.set_forkserver_preload(["torch", "torch.distributed", "tests.gloo"])
    port = free_port()
    processes = [
        server.Process(target=_run, args=(work, rank, world, port, str(folder), met))
        for rank in range(world)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * world
    return [
        torch.load(folder / f"{rank}-of-{world}.pt", weights_only=False) for rank in range(world)
    ]
