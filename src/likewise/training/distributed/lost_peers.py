"""A rank that does not join, or that is gone: the errors of the network library in one line."""

from __future__ import annotations

import os
import re

from likewise.errors import LikewiseError

__all__ = ["PeerLost", "is_connection_error", "rendezvous_error"]

# The wordings of gloo, NCCL and the store of torch.distributed.
BROKEN = re.compile(
    r"closed by peer|connection reset|connection refused|broken pipe|gloo|nccl"
    r"|timed out waiting|wait timeout|socket|failed to (recv|send)|connection was",
    re.IGNORECASE,
)


class PeerLost(LikewiseError):
    """Another rank of the run is gone.

    Args:
        message: which one, and why, where that is known.
        rank: of the one that is gone, where it has recorded its error.
    """

    def __init__(self, message: str, rank: int | None = None) -> None:
        super().__init__(message)
        self.rank = rank


def is_connection_error(error: BaseException) -> bool:
    """Whether torch.distributed raised this because another rank does not answer."""
    import torch
    from torch import distributed as dist

    if isinstance(error, LikewiseError | torch.OutOfMemoryError):
        return False
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and bool(BROKEN.search(str(error)))


def rendezvous_error(error: Exception, rank: int, count: int, timeout: float) -> LikewiseError:
    """Why the rendezvous failed, and what to do.

    Args:
        error: of ``torch.distributed``.
        rank: of this process.
        count: the world size.
        timeout: seconds that this rank has waited.
    """
    place = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
    text = " ".join(str(error).split())
    if "EADDRINUSE" in text or "address already in use" in text.lower():
        return LikewiseError(
            f"port {os.environ.get('MASTER_PORT', '?')} is taken; name another one with --port "
            "(or MASTER_PORT), or leave it out"
        )
    joined = re.search(r"(\d+)/(\d+) clients joined", text)
    if joined:
        return LikewiseError(
            f"only {joined[1]} of {count} processes joined at {place} within {timeout:g} s; "
            "start the others too, each with its own RANK"
        )
    if "timed out" in text.lower() or "timeout" in text.lower():
        return LikewiseError(
            f"rank {rank}: no rendezvous at {place} within {timeout:g} s; is rank 0 started, and "
            f"can its machine be reached? ({text[:200]})"
        )
    return LikewiseError(f"rank {rank}: no rendezvous at {place} ({text[:200]})")
