"""Errors among processes: raised alike by all, or left as a word for those who will miss one."""

from __future__ import annotations

import json
import time
from contextlib import suppress

from torch.distributed.distributed_c10d import Store

from likewise.errors import InputError, LikewiseError
from likewise.training.distributed.lost_peers import PeerLost

__all__ = ["agreed", "leave_word", "who_is_lost"]

LONGEST = 500  # characters of another library's message
ENDED = "likewise/ended"  # in the store: why the first process that failed did so


def agreed(message: str, code: int) -> LikewiseError:
    """An error that all processes raise alike, so that one of them tells it."""
    error = InputError(message) if code == InputError.exit_code else LikewiseError(message)
    error.agreed = True  # type: ignore[attr-defined]  # read by told_once
    return error


def leave_word(store: Store | None, rank: int, error: BaseException) -> None:
    """Tell those who will miss this process why it ends, unless another one was faster.

    Args:
        store: where they meet; without one there is no way to tell.
        rank: of this process.
        error: why it ends; it is marked ``told`` if another process tells the same.
    """
    if store is None:
        return
    reason = " ".join((str(error) if isinstance(error, LikewiseError) else repr(error)).split())
    with suppress(RuntimeError):
        first, told = json.loads(store.compare_set(ENDED, "", json.dumps([rank, reason])))
        # The same happened to both, such as a loss that is not finite: one tells it.
        error.told = told == reason and first != rank  # type: ignore[attr-defined]  # by told_once


def who_is_lost(store: Store | None, rank: int, error: BaseException) -> PeerLost:
    """What the one that is missed left word of, given two seconds to do so.

    If it left none, this process leaves what it was told itself: it may be that nobody is gone,
    and that the reason is in there.

    Args:
        store: where they meet, if they do.
        rank: of the process that misses it.
        error: by which it does.
    """
    for _ in range(20):
        with suppress(RuntimeError):
            if store is not None and store.check([ENDED]):
                ended, reason = json.loads(store.get(ENDED))
                return PeerLost(f"process {ended} ended: {reason}; the others stop", ended)
            time.sleep(0.1)
            continue
        break
    lost = PeerLost(
        f"process {rank} lost another one (killed, or its machine is gone); all stop: "
        f"continue from the last checkpoint with --resume. It was told: {_shortened(error)}"
    )
    leave_word(store, rank, lost)
    return lost


def _shortened(error: BaseException) -> str:
    """An error in one line: its beginning, where the reason stands."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
