"""One rank of several: how it knows its launcher, and how its error is reported once.

No torch is loaded here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from likewise.errors import LikewiseError
from likewise.training.stopping import StoppedBySignal, exit_on_signal, stop_code

__all__ = ["RUN_ID", "is_worker", "report_once"]

RUN_ID = "likewise-{}"  # TORCHELASTIC_RUN_ID under our launcher, with its process id
LAUNCHER_CHECK = 0.2  # seconds between two checks that the launcher is alive


def is_worker() -> bool:
    """Whether this process is one rank of several, under ``torchrun`` or our own launcher."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


@contextlib.contextmanager
def report_once() -> Iterator[None]:
    """Run a command as one rank of several, so that an error is reported once, not by each rank.

    Under our launcher the rank leaves its error in torch's error file, and the launcher reports it;
    under ``torchrun`` rank 0 reports the errors that all ranks share.

    Raises:
        SystemExit: with the error's exit code, where another process reports it; 0 if a signal
            stopped the rank under our launcher, which then decides.
    """
    if not is_worker():
        with exit_on_signal():
            yield
        return
    # DDP warns that it found no unused parameter: see DataParallel. torch is not loaded yet.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    launcher = _launcher()
    if launcher is not None:
        _share_cores()
        threading.Thread(target=_exit_with, args=(launcher,), daemon=True).start()
    try:
        yield
    except StoppedBySignal as stopped:
        if launcher is None:
            raise
        # For any other exit code torch's agent ends the ranks that are still saving.
        number = int(stopped.code or 0) - stop_code(0)
        _write_error_file(message="stopped by a signal", stopped_by=number)
        raise SystemExit(0) from None
    except (Exception, KeyboardInterrupt) as error:
        code = error.exit_code if isinstance(error, LikewiseError) else 1
        if isinstance(error, KeyboardInterrupt):
            code = stop_code(signal.SIGINT)
        on_all_ranks = bool(getattr(error, "on_all_ranks", False))
        reported = bool(getattr(error, "reported", False))  # by another rank
        secondary = reported or type(error).__name__ == "PeerLost"
        _write_error_file(
            message=str(error) if isinstance(error, LikewiseError) else _unexpected(error),
            code=code,
            on_all_ranks=on_all_ranks,
            secondary=secondary,
        )
        if launcher is not None and os.environ.get("LIKEWISE_DEBUG"):
            raise
        elsewhere = reported or ((on_all_ranks or secondary) and os.environ["RANK"] != "0")
        if launcher is not None or elsewhere:
            raise SystemExit(code) from None
        raise


def _write_error_file(message: str, **details: object) -> None:
    """Leave the error where torch's agent, ours or that of ``torchrun``, looks for it."""
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        content = {"message": message, "timestamp": int(time.time()), **details}
        with contextlib.suppress(OSError):
            temporary = Path(path + ".tmp")
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.replace(path)


def _unexpected(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    reason = " ".join(str(error).split()) or "no details"
    return f"unexpected {type(error).__name__}: {reason} (set LIKEWISE_DEBUG=1 for the traceback)"


def _launcher() -> int | None:
    """The process id of our launcher; None under another one."""
    found = re.fullmatch(RUN_ID.format(r"(\d+)"), os.environ.get("TORCHELASTIC_RUN_ID", ""))
    return int(found[1]) if found else None


def _share_cores() -> None:
    """Give each rank its share of the cores; by default every rank would use all of them."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // ranks)))


def _exit_with(launcher: int) -> None:
    """Exit when the launcher is gone: nobody would stop this rank any more."""
    while os.getppid() == launcher:
        time.sleep(LAUNCHER_CHECK)
    os._exit(1)
