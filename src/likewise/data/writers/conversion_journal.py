"""The checkpoint of a conversion, kept beside its output so that a crash loses little work."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from likewise.errors import InputError
from likewise.storage import read_json, write_json

__all__ = ["DIGESTS", "JOURNAL", "Journal"]

JOURNAL = ".likewise-convert.json"
DIGESTS = ".likewise-convert.sha256"
NAMED = 10  # broken photos listed by name; all are counted


@dataclass
class Journal:
    """The state of a conversion; every photo it counts has been flushed to disk.

    Args:
        format: the format written.
        fingerprint: of the source manifest.
        total: photos in the source.
        check: whether every photo is decoded too.
        photos: photos written so far.
        size: their bytes.
        sha256: their checksum in hex: ``sha256(previous + sha256(photo))``, photo by photo.
        broken: how many of them could not be decoded.
        named: the first broken photos, with the reasons.
        writer: the state of the writer.
        verified: whether the output was read again and compared.
        finished: whether the output is complete.
    """

    format: str
    fingerprint: str
    total: int
    check: bool
    photos: int = 0
    size: int = 0
    sha256: str = ""
    broken: int = 0
    named: list[dict[str, str]] = field(default_factory=list)
    writer: dict[str, Any] | None = None
    verified: bool = False
    finished: bool = False

    def add(self, digest: bytes, size: int) -> None:
        """Count a photo that was written."""
        self.photos += 1
        self.size += size
        self.sha256 = hashlib.sha256(bytes.fromhex(self.sha256) + digest).hexdigest()

    def add_broken(self, name: str, reason: str) -> None:
        """Count a photo that cannot be decoded."""
        self.broken += 1
        if len(self.named) < NAMED:
            self.named.append({"path": name, "reason": reason})

    def save(self, out: Path) -> None:
        """Write the journal atomically."""
        write_json(out / JOURNAL, asdict(self))

    @classmethod
    def load(cls, out: Path) -> Journal | None:
        """The journal in a folder, or None if no conversion was started there.

        Raises:
            InputError: the folder holds other files, or the journal is damaged.
        """
        if not out.exists():
            return None
        if not out.is_dir():
            raise InputError(f"{out}: is a file; the output is a folder")
        for left in out.glob(f".{JOURNAL}.*.tmp"):
            left.unlink()
        path = out / JOURNAL
        if not path.exists():
            if any(out.iterdir()):
                raise InputError(f"{out}: not empty and no conversion; choose another folder")
            return None
        value = read_json(path)
        blank = asdict(cls("", "", 0, False, writer={}))
        known = isinstance(value, dict) and value.keys() == blank.keys()
        if not known or any(
            not isinstance(value[key], type(blank[key])) and value[key] is not None for key in blank
        ):
            raise InputError(f"{path}: damaged; start the conversion again in another folder")
        return cls(**value)
