"""What is remembered of a photo of a gallery: one line of text with a checksum."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PhotoRecord"]


@dataclass(frozen=True, eq=False)
class PhotoRecord:
    """A photo as it was when its face was embedded.

    Args:
        name: its path below the gallery's folder.
        size: bytes.
        changed: when it was last changed, in nanoseconds.
        sha256: of its content.
        vectors: float32 [F,D], of unit length: of the face that is meant, or of all faces if
            that is not clear, largest first; empty if there is no face.
        poor: why each may not be recognised.
    """

    name: str
    size: int
    changed: int
    sha256: str
    vectors: NDArray[np.float32]
    poor: tuple[tuple[str, ...], ...] = ()

    def at(self, name: str, size: int, changed: int) -> PhotoRecord:
        """The same content under another name or time."""
        return replace(self, name=name, size=size, changed=changed)

    def to_line(self) -> str:
        """One line: the CRC-32 of the rest in hex, a space, and JSON."""
        values = asdict(self)
        values["vectors"] = base64.b64encode(self.vectors.astype("<f4").tobytes()).decode()
        text = json.dumps(values, separators=(",", ":"))
        return f"{zlib.crc32(text.encode()):08x} {text}\n"

    @staticmethod
    def from_line(line: str, dimension: int) -> PhotoRecord | None:
        """The inverse of ``to_line``; None if the line is damaged, as by a crash.

        Args:
            line: as ``to_line`` writes it.
            dimension: D, of the vectors.
        """
        checksum, _, text = line.rstrip("\n").partition(" ")
        if not text or checksum != f"{zlib.crc32(text.encode()):08x}":
            return None
        try:
            values: dict[str, Any] = json.loads(text)
            values["poor"] = tuple(map(tuple, values["poor"]))
            flat = np.frombuffer(base64.b64decode(values["vectors"]), "<f4")
            values["vectors"] = flat.reshape(len(values["poor"]), dimension).astype(np.float32)
            record = PhotoRecord(**values)
        except (ValueError, KeyError, TypeError):
            return None
        return record if np.isfinite(record.vectors).all() else None
