"""How processes wait for one that works alone, and how they let it know that it should stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from torch.distributed.distributed_c10d import Store

__all__ = ["asked_to_stop", "word_of"]

SHORTEST, LONGEST = 0.005, 0.25  # seconds between two looks


def word_of(store: Store, key: str, ask: Callable[[], bool]) -> str:
    """Wait until something is said under ``key``, for as long as it takes: a collective times out.

    Args:
        store: that all processes share.
        key: of what is waited for.
        ask: whether to ask the one who works to stop; it is asked once.
    """
    pause, asked = SHORTEST, False
    while not store.check([key]):
        if not asked and ask():
            asked = True
            store.set(_request(key), "1")
        time.sleep(pause)
        pause = min(LONGEST, 1.5 * pause)
    return store.get(key).decode()


def asked_to_stop(store: Store, key: str) -> bool:
    """Whether one of those who wait for ``key`` asks for a stop."""
    return bool(store.check([_request(key)]))


def _request(key: str) -> str:
    return f"{key}/stop"
