"""Messages between ranks through the store: the first error, the end of rank 0's work, a stop.

The store answers when a collective cannot: while a rank is gone, or for longer than a collective
may take.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress

from torch.distributed.distributed_c10d import Store

from likewise.errors import InputError, LikewiseError
from likewise.training.distributed.lost_peers import PeerLost

__all__ = [
    "common_error",
    "peer_lost_error",
    "record_first_error",
    "stop_requested",
    "wait_for_message",
]

MAX_TEXT = 500  # characters of another library's message
FIRST_ERROR = "likewise/first-error"  # key of: rank and reason of the first rank that failed
MIN_POLL, MAX_POLL = 0.005, 0.25  # seconds between two looks into the store


def common_error(message: str, code: int) -> LikewiseError:
    """An error that all ranks raise, so that only rank 0 reports it."""
    error = InputError(message) if code == InputError.exit_code else LikewiseError(message)
    error.on_all_ranks = True  # type: ignore[attr-defined]  # read by report_once
    return error


def record_first_error(store: Store | None, rank: int, error: BaseException) -> None:
    """Write into the store why this rank fails, unless another rank has failed before.

    Args:
        store: shared by all ranks; None where a surrounding program made the process group.
        rank: of this process.
        error: its reason; it is marked ``reported`` if another rank has written the same one.
    """
    if store is None:
        return
    reason = " ".join((str(error) if isinstance(error, LikewiseError) else repr(error)).split())
    with suppress(RuntimeError):
        first, recorded = json.loads(store.compare_set(FIRST_ERROR, "", json.dumps([rank, reason])))
        # Such as a loss that is not finite, on both ranks: one of them reports it.
        same = recorded == reason and first != rank
        error.reported = same  # type: ignore[attr-defined]  # read by report_once


def peer_lost_error(store: Store | None, rank: int, error: BaseException) -> PeerLost:
    """The error of a rank whose connection to another one broke: with that one's reason.

    The other rank gets two seconds to write its reason into the store. If it writes none, this
    rank records the message of the network library: perhaps no rank is gone, and the message says
    what is wrong.

    Args:
        store: shared by all ranks, or None.
        rank: of this process.
        error: of the network library.
    """
    for _ in range(20):
        with suppress(RuntimeError):
            if store is not None and store.check([FIRST_ERROR]):
                failed, reason = json.loads(store.get(FIRST_ERROR))
                return PeerLost(f"rank {failed} ended: {reason}; the other ranks stop", failed)
            time.sleep(0.1)
            continue
        break
    lost = PeerLost(
        f"rank {rank} lost the connection to another rank (killed, or its machine is gone); all "
        "ranks stop: continue from the last checkpoint with --resume. The network library says: "
        f"{_shortened(error)}"
    )
    record_first_error(store, rank, lost)
    return lost


def _shortened(error: BaseException) -> str:
    """An error in one line; its beginning holds the reason."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def wait_for_message(store: Store, key: str, stop: Callable[[], bool]) -> str:
    """Wait for a message, without the time limit of a collective.

    Args:
        store: shared by all ranks.
        key: of the message.
        stop: whether to ask its sender to stop.
    """
    pause, asked = MIN_POLL, False
    while not store.check([key]):
        if not asked and stop():
            asked = True
            store.set(_stop_key(key), "1")
        time.sleep(pause)
        pause = min(MAX_POLL, 1.5 * pause)
    return store.get(key).decode()


def stop_requested(store: Store, key: str) -> bool:
    """Whether a rank that waits for the message ``key`` asks its sender to stop."""
    return bool(store.check([_stop_key(key)]))


def _stop_key(key: str) -> str:
    return f"{key}/stop"
