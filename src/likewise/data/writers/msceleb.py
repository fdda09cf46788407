"""Writes MS-Celeb-1M's text file of seven columns (see ``msceleb``)."""

from __future__ import annotations

import binascii
import re
import struct
from pathlib import Path
from typing import Any

from likewise.data.store import MAX_PHOTO_BYTES
from likewise.data.writers.growing_file import GrowingFile
from likewise.errors import InputError

__all__ = ["MsCelebWriter"]

_WHOLE = binascii.b2a_base64(struct.pack("<4f", 0, 0, 1, 1), newline=False)  # the face rectangle
_CONTROL = re.compile("[\0-\x1f]")


class MsCelebWriter:
    """Such a file, written photo by photo (a ``PhotoWriter``).

    The identity becomes the MID. A photo called ``MID/RANK-FACEID.jpg`` keeps its rank and face
    id; another one gets the number of its row as rank, ``Row-`` and that number as face id, and
    its name stands in the column of the image's URL. The face rectangle is the whole photo.

    Args:
        out: the ``.tsv``.
        state: None begins anew, what ``state()`` gave continues.

    Raises:
        InputError: what is to be continued is not there.
        LikewiseError: here or in any method: the disk is full, or cannot be written.
    """

    def __init__(self, out: Path, state: dict[str, Any] | None = None) -> None:
        self._file = GrowingFile(out, 0 if state is None else int(state["bytes"]))
        self._rows = 0 if state is None else int(state["rows"])

    def write(self, name: str, identity: str, data: bytes) -> None:
        """Add a photo.

        Raises:
            InputError: a name is empty, holds a control character, or leads out of a folder; or
                the photo is larger than any.
        """
        if not name or not identity or _CONTROL.search(name + identity):
            raise InputError(f"{name!r}, {identity!r}: empty, or with a TAB or a line end in it")
        if identity.startswith("/") or ".." in identity.split("/"):
            raise InputError(f"{identity!r}: an identity that leads out of a folder")
        if len(data) > MAX_PHOTO_BYTES:
            raise InputError(f"{name}: {len(data):,} bytes; at most {MAX_PHOTO_BYTES:,} fit")
        self._rows += 1
        kept = re.fullmatch(re.escape(identity) + r"/(0|[1-9][0-9]{0,8})-([^/]+)\.jpg", name)
        rank, face_id = kept.groups() if kept else (str(self._rows), f"Row-{self._rows}")
        fields = (identity, rank, "" if kept else name, "", face_id)
        self._file.write(
            b"\t".join(
                (*(field.encode() for field in fields), _WHOLE,
                 binascii.b2a_base64(data, newline=False))
            ) + b"\n"
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Where writing stands; everything written so far is on disk."""
        return {"bytes": self._file.flush(), "rows": self._rows}

    def finish(self) -> None:
        """Give the file its name."""
        self._file.complete()
