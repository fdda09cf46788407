"""``likewise train --processes``: ranks on this machine, under torch's elastic agent.

The agent does the rendezvous, starts the ranks and watches them. What is ours: one line in place
of the agent's report, and a stop by a signal that waits for the checkpoint.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likewise.arguments import check_count
from likewise.errors import InputError, LikewiseError
from likewise.training.distributed.worker import RUN_ID
from likewise.training.stopping import STOPPED_EARLY, StoppedBySignal, StopRequest, exit_on_signal

if TYPE_CHECKING:
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent

__all__ = ["launch"]

ADDRESS = "127.0.0.1"


def launch(arguments: Sequence[str], processes: int, port: int | None = None) -> None:
    """Run ``python -m likewise ARGUMENTS`` on several ranks, and wait for all of them to end.

    Only rank 0 writes to the terminal. SIGINT or SIGTERM asks all ranks to stop: they save and
    end. If one rank fails, the others are stopped.

    Args:
        arguments: of the command line.
        processes: the world size, at least 1.
        port: of the rendezvous on this machine; None: MASTER_PORT, or a free one.

    Raises:
        StoppedBySignal: a signal stopped the ranks.
        InputError: an argument is wrong, as found here or by a rank.
        LikewiseError: the port is taken, or a rank failed: its number and its reason.
    """
    check_count("processes", processes)
    port = _port(port)
    with tempfile.TemporaryDirectory(prefix="likewise-") as name:
        folder = Path(name)
        with exit_on_signal():  # while torch is loaded
            agent = _agent(arguments, processes, port, folder)
        logging.disable(logging.CRITICAL)  # of the agent: the launcher reports in one line
        try:
            exit_codes, asked = _run(agent)
        finally:
            logging.disable(logging.NOTSET)
            agent.get_worker_group().spec.rdzv_handler.shutdown()
        _raise_failure(exit_codes, asked, folder)


def _port(port: int | None) -> int:
    """The port for the rendezvous; 0 for any that is free."""
    text = os.environ.get("MASTER_PORT") if port is None else None
    if text is not None:
        port = check_count("MASTER_PORT", int(text) if text.isdecimal() else text, most=65_535)
    return 0 if port is None else check_count("port", port, most=65_535)


def _agent(arguments: Sequence[str], processes: int, port: int, folder: Path) -> LocalElasticAgent:
    """Torch's agent for ranks that start with ``run``; error files and output go to ``folder``.

    Raises:
        LikewiseError: the port is taken.
    """
    from torch.distributed.elastic.agent.server.api import WorkerSpec
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.elastic.rendezvous import RendezvousConnectionError, RendezvousParameters
    from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler

    run_id = RUN_ID.format(os.getpid())
    try:
        handler = get_rendezvous_handler(
            RendezvousParameters(
                "c10d", f"{ADDRESS}:{port}", run_id, 1, 1, local_addr=ADDRESS, is_host=True
            )
        )
    except RendezvousConnectionError as error:
        raise LikewiseError(
            f"port {port} is taken ({str(error.__cause__).splitlines()[0]}); name another one with "
            "--port (or MASTER_PORT), or leave it out"
        ) from None
    spec = WorkerSpec(
        role="train",
        local_world_size=processes,
        rdzv_handler=handler,
        entrypoint=sys.executable,
        args=("-m", "likewise", *arguments),
        max_restarts=0,
        monitor_interval=0.1,
        local_addr=ADDRESS,
    )
    quiet: dict[int, Std] = dict.fromkeys(range(1, processes), Std.ALL)
    return LocalElasticAgent(spec, DefaultLogsSpecs(str(folder), redirects=quiet))


def _run(agent: LocalElasticAgent) -> tuple[dict[int, int], int]:
    """Start the ranks, and wait for all of them to end.

    In the main thread the agent would take the signals itself, and kill ranks that still save 30
    seconds later. So it runs in a thread of its own.

    Returns:
        The exit codes of the ranks that failed, in the order in which the agent found them, and the
        signal that asked for a stop, or 0.
    """
    asked: set[int] = set()
    with StopRequest() as stop, ThreadPoolExecutor(1) as pool:
        future = pool.submit(agent.run)
        try:
            while not future.done():
                wait([future], timeout=0.05)
                # SIGTERM: after SIGINT, a rank that still loads modules would show a traceback.
                for pid in _pids(agent) - asked if stop.signal else ():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
                    asked.add(pid)
        except KeyboardInterrupt:  # a second Ctrl-C
            while not future.done():  # the agent may not have started the ranks yet
                for pid in _pids(agent):
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
                wait([future], timeout=0.05)
            raise
    failures = future.result().failures
    exit_codes = {rank: failure.exitcode for rank, failure in failures.items()}
    return exit_codes, int(stop.signal or 0)


def _pids(agent: LocalElasticAgent) -> set[int]:
    workers = agent.get_worker_group().workers
    return {worker.id for worker in workers if worker.id is not None}


def _raise_failure(exit_codes: Mapping[int, int], asked: int, folder: Path) -> None:
    """Raise why the ranks ended, unless all of them succeeded.

    Args:
        exit_codes: of the ranks that failed.
        asked: the signal that the launcher received, or 0.
        folder: of the error files, which ranks write that fail or that a signal stops.
    """
    found: dict[int, dict[str, Any]] = {
        int(path.parent.name): json.loads(path.read_text(encoding="utf-8"))
        for path in folder.rglob("error.json")
    }
    order = {}  # 0: the rank's own error, 1: that of another rank, 2: SIGTERM before training
    for rank, code in exit_codes.items():
        if "stopped_by" in found.get(rank, {}):
            continue  # it has saved: a further signal ended it
        # The launcher sends SIGTERM, and the agent does once another rank has failed.
        terminated = code == -signal.SIGTERM and rank not in found
        order[rank] = 2 if terminated else int(found.get(rank, {}).get("secondary", False))
    if not order:
        stopped_by = max((content.get("stopped_by", 0) for content in found.values()), default=0)
        if stopped_by:
            raise StoppedBySignal(asked or stopped_by)
    elif asked and 2 in order.values() and 0 not in order.values():
        print(STOPPED_EARLY, file=sys.stderr)
        raise StoppedBySignal(asked)
    else:
        rank = min(order, key=order.__getitem__)
        raise _failure(rank, exit_codes[rank], found.get(rank), folder)


def _failure(
    rank: int, exit_code: int, content: dict[str, Any] | None, folder: Path
) -> LikewiseError:
    """The error of one rank, from its error file, or from how it ended if it left none."""
    if content is not None:
        message = content["message"]
        if content["code"] == InputError.exit_code:
            return InputError(message)
        complete = content["on_all_ranks"] or content["secondary"] or message.startswith("rank ")
        return LikewiseError(message if complete else f"rank {rank} ended: {message}")
    reason = f"exit code {exit_code}"
    if exit_code < 0:
        reason = f"killed by {signal.Signals(-exit_code).name}"
        if exit_code == -signal.SIGKILL:
            reason += ", by a user or because memory ran out"
    else:
        for path in folder.rglob(f"{rank}/stderr.log"):
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
            reason = next((line.strip() for line in reversed(lines) if line.strip()), reason)
    return LikewiseError(
        f"rank {rank} ended: {reason}; the other ranks were stopped. Continue from the last "
        "checkpoint with --resume"
    )
