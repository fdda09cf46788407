"""One of several copies of a command: how it knows, and how its error reaches the one who tells it.

No torch is loaded here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from likewise.errors import LikewiseError
from likewise.training.stopping import early_stop, stop_code

__all__ = ["ERROR_FILE", "PARENT", "launched", "told_once"]

ERROR_FILE = "LIKEWISE_ERROR_FILE"  # where a process of ours leaves its reason
PARENT = "LIKEWISE_PARENT"  # a pipe that closes when the launcher is gone


def launched() -> bool:
    """Whether this process is one of several, started by ``torchrun`` or by :func:`launch`."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


@contextlib.contextmanager
def told_once() -> Iterator[None]:
    """In one of several processes: let an error be told by one of them, or by the launcher.

    Raises:
        SystemExit: with the error's exit code, where another one tells it.
    """
    if not launched():
        with early_stop():
            yield
        return
    # That DDP found no unused parameter is known (see Replicas); torch is not loaded yet.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    _follow_the_launcher()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        code = error.exit_code if isinstance(error, LikewiseError) else 1
        if isinstance(error, KeyboardInterrupt):
            code = stop_code(signal.SIGINT)
        agreed = bool(getattr(error, "agreed", False))
        told = bool(getattr(error, "told", False))  # by another process
        peer = told or type(error).__name__ == "PeerLost"
        if path := os.environ.get(ERROR_FILE):
            message = str(error) if isinstance(error, LikewiseError) else _unexpected(error)
            note = {"message": message, "code": code, "agreed": agreed, "peer": peer}
            with contextlib.suppress(OSError):
                temporary = Path(path + ".tmp")
                temporary.write_text(json.dumps(note), encoding="utf-8")
                temporary.replace(path)
            if os.environ.get("LIKEWISE_DEBUG"):
                raise
            raise SystemExit(code) from None
        if told or ((agreed or peer) and os.environ["RANK"] != "0"):
            raise SystemExit(code) from None
        raise


def _unexpected(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    reason = " ".join(str(error).split()) or "no details"
    return f"unexpected {type(error).__name__}: {reason} (set LIKEWISE_DEBUG=1 for the traceback)"


def _follow_the_launcher() -> None:
    """End at once if the launcher is gone: nobody would stop this process any more."""
    text = os.environ.get(PARENT)
    if text is None:
        return

    def watch(handle: int) -> None:
        with contextlib.suppress(OSError):
            if os.read(handle, 1) == b"":
                os._exit(1)

    threading.Thread(target=watch, args=(int(text),), daemon=True).start()
