"""Several copies of a command as one run: started together, and ended together.

What ``torchrun`` does on one machine, with two differences: the port is free by itself, and what
went wrong is told once, in one line. No torch is loaded here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from likewise.errors import InputError, LikewiseError
from likewise.training.distributed.launched import ERROR_FILE, PARENT, launched, told_once
from likewise.training.stopping import (
    SIGNALS,
    STOP_CODES,
    STOPPED_EARLY,
    StoppedBySignal,
    stop_code,
)

__all__ = ["launch", "launched", "told_once"]

PATIENCE = 15.0  # seconds for the others to end by themselves once one is dead
EMPHASIS = 5.0  # seconds from SIGTERM to SIGKILL


def launch(arguments: Sequence[str], processes: int, port: int | None = None) -> None:
    """Run ``python -m likewise ARGUMENTS`` as so many processes, and wait for their end.

    They find each other through the environment, as under ``torchrun``. The first one shows its
    output; at SIGINT or SIGTERM all are asked to stop: they save and end. If one dies, the others
    are given some seconds to end, and then are ended.

    Args:
        arguments: of the command line.
        processes: how many, at least 1.
        port: where they meet, on this machine; a free one if None (or MASTER_PORT, if set).

    Raises:
        StoppedBySignal: they were stopped.
        InputError: what was given is wrong, as one of them found out.
        LikewiseError: the port is taken, or a process failed or died: its rank and its reason.
    """
    if processes < 1:
        raise InputError(f"processes: {processes}; at least 1 is expected")
    port = _port(port)
    with tempfile.TemporaryDirectory(prefix="likewise-") as folder, _Family() as family:
        for rank in range(processes):
            family.start(arguments, rank, processes, port, Path(folder))
        family.wait()


def _port(wanted: int | None) -> int:
    """The port to meet at: the one asked for, if it is free, or any.

    Raises:
        InputError: it is no port.
        LikewiseError: it is taken.
    """
    text = os.environ.get("MASTER_PORT") if wanted is None else str(wanted)
    if text is not None and not (text.isdecimal() and 0 < int(text) < 65_536):
        raise InputError(f"port: {text!r}; a number from 1 to 65535 is expected")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", int(text or 0)))
        except OSError as error:
            raise LikewiseError(
                f"port {text} is taken ({error.strerror}); name another one with --port "
                "(or MASTER_PORT), or leave it out"
            ) from None
        found: int = probe.getsockname()[1]
        return found


@dataclass
class _Process:
    """One of the processes."""

    rank: int
    handle: subprocess.Popen[bytes]
    error_file: Path
    last_words: list[str] = field(default_factory=list)
    asked: bool = False  # to stop

    def listen(self) -> None:
        """Keep the last lines of what it says."""
        stream = self.handle.stderr
        if stream is not None:
            for line in stream:
                text = line.decode(errors="replace").strip()
                if text:
                    self.last_words[:] = [*self.last_words[-4:], text]

    def ask_to_stop(self) -> None:
        """By SIGTERM: SIGINT would make a traceback of one that still loads its modules."""
        if self.handle.poll() is None:
            self.asked = True
            self.handle.send_signal(signal.SIGTERM)

    @property
    def stopped_early(self) -> bool:
        """Whether SIGTERM ended it at once: it was not in the loop yet, or no more."""
        return self.asked and self.handle.returncode == -signal.SIGTERM

    @property
    def stopped(self) -> bool:
        """Whether it ended because a signal asked it to."""
        return self.stopped_early or self.handle.returncode in STOP_CODES

    def told(self) -> dict[str, Any]:
        """What it left word of; nothing if it left none."""
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(self.error_file.read_text(encoding="utf-8"))
            return found
        return {}

    def failure(self) -> LikewiseError | None:
        """Why it ended; None if it ended well, or only because it was asked or another one did."""
        code = self.handle.returncode
        if code == 0 or self.stopped:
            return None
        if told := self.told():
            if told["peer"]:
                return None
            message = told["message"]
            if told["code"] == InputError.exit_code:
                return InputError(message)
            named = told["agreed"] or message.startswith("process ")
            return LikewiseError(message if named else f"process {self.rank} ended: {message}")
        reason = self.last_words[-1] if self.last_words else f"exit code {code}"
        if code < 0:
            name = signal.Signals(-code).name
            reason = f"killed by {name}"
            if -code == signal.SIGKILL:
                reason += ", by someone or for want of memory"
        return LikewiseError(
            f"process {self.rank} ended: {reason}; the others were stopped. Continue from the "
            "last checkpoint with --resume"
        )


class _Family:
    """The processes of a run, from their start to the end of the last."""

    def __init__(self) -> None:
        self.processes: list[_Process] = []
        self.parent, self._held = os.pipe()
        self._before: dict[signal.Signals, object] = {}
        self._heard = 0

    def __enter__(self) -> _Family:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._hand_on)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as it was
        os.close(self.parent)
        os.close(self._held)

    def start(
        self, arguments: Sequence[str], rank: int, count: int, port: int, folder: Path
    ) -> None:
        """Start one process; all but the first keep quiet."""
        error_file = folder / f"error-{rank}.json"
        places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        environment = {
            **os.environ,
            **{name: str(value) for name, value in places.items()},
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            ERROR_FILE: str(error_file),
            PARENT: str(self.parent),
        }
        # As torchrun does it: else every process takes all cores for itself.
        if count > 1:
            threads = max(1, len(os.sched_getaffinity(0)) // count) if _POSIX else 1
            environment.setdefault("OMP_NUM_THREADS", str(threads))
        handle = subprocess.Popen(
            [sys.executable, "-m", "likewise", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=None if rank == 0 else subprocess.DEVNULL,
            stderr=None if rank == 0 else subprocess.PIPE,
            pass_fds=(self.parent,),
            start_new_session=True,  # Ctrl-C comes once, from us
        )
        process = _Process(rank, handle, error_file)
        self.processes.append(process)
        threading.Thread(target=process.listen, daemon=True).start()
        if self._heard:  # while it was on its way
            process.ask_to_stop()

    def wait(self) -> None:
        """Until all have ended.

        Raises:
            StoppedBySignal: they were stopped.
            LikewiseError: one of them failed; the first that did so for a reason of its own.
        """
        failure: LikewiseError | None = None
        deadline = float("inf")
        while running := [p for p in self.processes if p.handle.poll() is None]:
            time.sleep(0.02)
            if any(p.handle.returncode and not p.stopped for p in self.processes):
                deadline = min(deadline, time.monotonic() + PATIENCE)
                time.sleep(0.05)  # for its last words
                failure = failure or self._failure()
            if time.monotonic() > deadline and running:
                self.end()
        failure = failure or self._failure()
        if failure is not None:
            raise failure
        if any(p.stopped_early for p in self.processes):
            print(STOPPED_EARLY, file=sys.stderr)
        if any(p.stopped for p in self.processes):
            told = max(p.handle.returncode for p in self.processes) - stop_code(0)
            raise StoppedBySignal(self._heard or told)
        if any(p.handle.returncode for p in self.processes):
            told = (p.told().get("message") for p in self.processes)
            lost = "the processes lost each other; continue with --resume"
            raise LikewiseError(next((text for text in told if text), lost))

    def _failure(self) -> LikewiseError | None:
        found = (p.failure() for p in self.processes if p.handle.poll() is not None)
        return next((failure for failure in found if failure is not None), None)

    def end(self) -> None:
        """End those that still run."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            running = [p.handle for p in self.processes if p.handle.poll() is None]
            for handle in running:
                handle.send_signal(number)
            end = time.monotonic() + EMPHASIS
            for handle in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    handle.wait(max(0.0, end - time.monotonic()))

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        """Ask all to stop; a second Ctrl-C insists."""
        if number == self._heard == signal.SIGINT:
            raise KeyboardInterrupt
        self._heard = number
        for process in self.processes:
            process.ask_to_stop()


_POSIX = hasattr(os, "sched_getaffinity")
