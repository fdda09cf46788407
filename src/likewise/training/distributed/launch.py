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
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from likewise.arguments import check_count
from likewise.errors import InputError, LikewiseError
from likewise.training.distributed.worker import RUN_ID
from likewise.training.stopping import SIGNALS, STOPPED_EARLY, StoppedBySignal, early_stop

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
    with tempfile.TemporaryDirectory(prefix="likewise-") as folder, _silent_agent():
        with early_stop():  # while torch is loaded
            agent = _agent(arguments, processes, port, Path(folder))
        ranks = _Ranks(agent)
        try:
            exit_codes = ranks.run()
        finally:
            agent.get_worker_group().spec.rdzv_handler.shutdown()
        _raise_failure(exit_codes, ranks.signal, Path(folder))


def _port(port: int | None) -> int:
    """The port for the rendezvous; 0 for any that is free."""
    text = os.environ.get("MASTER_PORT") if port is None else None
    if text is not None:
        port = check_count("MASTER_PORT", int(text) if text.isdecimal() else text, most=65_535)
    return 0 if port is None else check_count("port", port, most=65_535)


@contextmanager
def _silent_agent() -> Iterator[None]:
    """Keep the agent from logging what the launcher reports in one line."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


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


class _Ranks:
    """The ranks under an agent, and the signals that ask them to stop.

    In the main thread the agent would take the signals itself, and kill ranks that still save 30
    seconds later. So it runs in a thread of its own.

    Attributes:
        signal: the one that asked for a stop; 0 if none did.
    """

    def __init__(self, agent: LocalElasticAgent) -> None:
        self.agent = agent
        self.signal = 0
        self._asked: set[int] = set()

    def run(self) -> dict[int, int]:
        """Start the ranks, and wait for all of them to end; the exit codes of those that fail."""
        before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, self._request_stop) for number in SIGNALS}
        try:
            with ThreadPoolExecutor(1) as pool:
                future = pool.submit(self.agent.run)
                try:
                    while not future.done():
                        if self.signal:
                            self._ask_to_stop()
                        wait([future], timeout=0.05)
                except KeyboardInterrupt:
                    for pid in self._pids():
                        with suppress(ProcessLookupError):
                            os.killpg(pid, signal.SIGKILL)
                    raise
                failures = future.result().failures
                return {rank: failure.exitcode for rank, failure in failures.items()}
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _request_stop(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal; a second Ctrl-C does not wait for the ranks to save."""
        if number == self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number

    def _ask_to_stop(self) -> None:
        """Send SIGTERM once: SIGINT would show a traceback in a rank that still loads modules."""
        for pid in self._pids() - self._asked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self._asked.add(pid)

    def _pids(self) -> set[int]:
        workers = self.agent.get_worker_group().workers
        return {worker.id for worker in workers if worker.id is not None}


def _raise_failure(exit_codes: Mapping[int, int], asked: int, folder: Path) -> None:
    """Raise why the ranks ended, unless all of them succeeded.

    Args:
        exit_codes: of the ranks that failed, in the order in which the agent found them.
        asked: the signal that the launcher received, or 0.
        folder: of the error files, which ranks write that fail or that a signal stops.
    """
    found: dict[int, dict[str, Any]] = {
        int(path.parent.name): json.loads(path.read_text(encoding="utf-8"))
        for path in folder.rglob("error.json")
    }
    # SIGTERM ends a rank that does not train yet: from the launcher, or, once another rank failed,
    # from the agent.
    terminated = [
        rank for rank, code in exit_codes.items() if code == -signal.SIGTERM and rank not in found
    ]
    secondary = [rank for rank in exit_codes if found.get(rank, {}).get("secondary")]
    for rank, code in exit_codes.items():
        if rank not in terminated and rank not in secondary:
            raise _failure(rank, code, found.get(rank), folder)
    if terminated and asked:
        print(STOPPED_EARLY, file=sys.stderr)
    stopped_by = asked if terminated else 0
    if not exit_codes:
        stopped_by = max((content.get("stopped_by", 0) for content in found.values()), default=0)
    if stopped_by:
        raise StoppedBySignal(asked or stopped_by)
    for rank in (*secondary, *terminated):
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
            reason += ", by someone or because memory ran out"
    else:
        for path in folder.rglob(f"{rank}/stderr.log"):
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
            reason = next((line.strip() for line in reversed(lines) if line.strip()), reason)
    return LikewiseError(
        f"rank {rank} ended: {reason}; the other ranks were stopped. Continue from the last "
        "checkpoint with --resume"
    )
