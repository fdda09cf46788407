"""What the network says when a process does not come, or goes: told in one line."""

from __future__ import annotations

import os
import re

from likewise.errors import LikewiseError

__all__ = ["PeerLost", "concerns_a_peer", "explained_start"]

# As gloo, NCCL and the store of torch.distributed word it.
BROKEN = re.compile(
    r"closed by peer|connection reset|connection refused|broken pipe|gloo|nccl"
    r"|timed out waiting|wait timeout|socket|failed to (recv|send)|connection was",
    re.IGNORECASE,
)


class PeerLost(LikewiseError):
    """Another process of the run is gone.

    Args:
        message: which, and why, if that is known.
        rank: of the one that is gone, if it left word.
    """

    def __init__(self, message: str, rank: int | None = None) -> None:
        super().__init__(message)
        self.rank = rank


def concerns_a_peer(error: BaseException) -> bool:
    """Whether this is torch.distributed saying that another process does not answer."""
    import torch
    from torch import distributed as dist

    if isinstance(error, LikewiseError | torch.OutOfMemoryError):
        return False
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and bool(BROKEN.search(str(error)))


def explained_start(error: Exception, rank: int, count: int, timeout: float) -> LikewiseError:
    """Why the processes could not meet.

    Args:
        error: of ``torch.distributed``.
        rank: of this process.
        count: how many should have come.
        timeout: seconds that were waited.
    """
    place = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
    text = " ".join(str(error).split())
    if "EADDRINUSE" in text or "address already in use" in text.lower():
        return LikewiseError(
            f"port {os.environ.get('MASTER_PORT', '?')} is taken; name another one with --port "
            "(or MASTER_PORT), or leave it out"
        )
    came = re.search(r"(\d+)/(\d+) clients joined", text)
    if came:
        return LikewiseError(
            f"only {came[1]} of {count} processes came to {place} within {timeout:g} s; "
            "start the others too, each with its own RANK"
        )
    if "timed out" in text.lower() or "timeout" in text.lower():
        return LikewiseError(
            f"process {rank}: no meeting at {place} within {timeout:g} s; is the process with "
            f"rank 0 started, and can its machine be reached? ({text[:200]})"
        )
    return LikewiseError(f"process {rank}: cannot meet the others at {place} ({text[:200]})")
