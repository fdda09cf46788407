"""What writes photos into a format, one after another, and can be stopped and continued."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["PhotoWriter"]


class PhotoWriter(Protocol):
    """Writes a set of photos; made from ``(out, state)``.

    ``state`` is None to begin anew, or what ``state()`` gave in an earlier run: what was written
    after that is cut off, and writing goes on from there.
    """

    def write(self, name: str, identity: str, data: bytes) -> None:
        """Add a photo: its name, whom it shows, and its encoded bytes."""

    def state(self) -> dict[str, Any]:
        """Where writing stands, as JSON; everything written so far is on disk when it returns."""

    def finish(self) -> None:
        """Make the set whole, and give it its name."""
