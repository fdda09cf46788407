"""What is remembered of a photo of a gallery: one line of text with a checksum."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, dataclass, replace

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
        faces: how many were found.
        problem: why it has no vector; empty if it has one.
        poor: why its face may not be recognised.
        norm: the length of the raw embedding.
        vector: float32 [D], of unit length; None if there is a problem.
    """

    name: str
    size: int
    changed: int
    sha256: str
    faces: int = 0
    problem: str = ""
    poor: tuple[str, ...] = ()
    norm: float = 0.0
    vector: NDArray[np.float32] | None = None

    def at(self, name: str, size: int, changed: int) -> PhotoRecord:
        """The same content under another name or time."""
        return replace(self, name=name, size=size, changed=changed)

    def to_line(self) -> str:
        """One line: the CRC-32 of the rest in hex, a space, and JSON."""
        values = asdict(self)
        if self.vector is not None:
            values["vector"] = base64.b64encode(self.vector.astype("<f4").tobytes()).decode()
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
            values = json.loads(text)
            values["poor"] = tuple(values["poor"])
            if values["vector"] is not None:
                vector = np.frombuffer(base64.b64decode(values["vector"]), "<f4")
                if vector.shape != (dimension,) or not np.isfinite(vector).all():
                    return None
                values["vector"] = vector.astype(np.float32)
            return PhotoRecord(**values)
        except (ValueError, KeyError, TypeError):
            return None
