"""What writes labelled photos in a format, one after another, and goes on after a crash."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["PhotoWriter"]


class PhotoWriter(Protocol):
    """Writes photos, byte by byte as they are, into a folder that it fills.

    A writer is made with ``(out, state)``: the folder, and None to begin anew, or what ``state``
    gave: then whatever was written after that is removed, and writing goes on from there. The
    files of an interrupted and continued run are those of an uninterrupted one, bit by bit, if
    ``state`` is called after the same photos in both.
    """

    def write(self, name: str, identity: str, data: bytes) -> None:
        """Add a photo: its name, whom it shows, and its encoded bytes.

        Raises:
            InputError: the format cannot hold this name or these bytes.
            LikewiseError: the disk is full.
        """

    def state(self) -> dict[str, Any]:
        """Where the writer is, in plain JSON values; all that was written is on the disk."""

    def finish(self) -> None:
        """Complete the last file: the output can be read from now on."""
