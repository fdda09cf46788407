"""The journal of an aligned set: one line of JSON for each photo, written as soon as it is done.

After ``kill -9`` the lines that are there are valid, and the photos without a line are done again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from likewise.errors import InputError, LikewiseError, cannot_write
from likewise.faces.aligned_set.outcome import Outcome
from likewise.storage import new_file

__all__ = ["JOURNAL", "CropJournal"]

JOURNAL = ".likewise-align.jsonl"
FORMAT = "likewise align 1"
WORDS = {
    "keep": "rule for several faces",
    "encoding": "kind of files",
    "finder": "way to find faces",
}
"""Settings in words, where their name does not tell what was asked for."""


class CropJournal:
    """The outcomes in a folder; use it as a context to add more.

    Args:
        folder: of the aligned set.
        record: the settings; a journal of other settings is refused.

    Raises:
        InputError: the journal is damaged, or was begun with other settings.
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.path = folder / JOURNAL
        self.record = record
        self.done: dict[str, Outcome] = {}
        self._good = 0  # bytes of complete lines
        self._stream: BinaryIO | None = None
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from None
        for number, line in enumerate(lines):
            if not line.endswith(b"\n"):  # cut by a crash
                break
            try:
                value = json.loads(line)
                if number == 0:
                    self._require_same(value)
                else:
                    outcome = Outcome.from_dict(value)
                    self.done[outcome.name] = outcome
            except (InputError, ValueError, RecursionError) as error:
                if isinstance(error, InputError) and number == 0:
                    raise
                raise InputError(
                    f"{self.path}: line {number + 1} is damaged; remove the file to begin again"
                ) from None
            self._good += len(line)

    def _require_same(self, value: Any) -> None:
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise InputError(f"{self.path}: not the journal of an alignment")
        begun = value.get("settings")
        if not isinstance(begun, dict):
            raise InputError(f"{self.path}: not the journal of an alignment")
        other = [key for key in self.record if begun.get(key) != self.record[key]]
        if other:
            raise InputError(
                f"{self.path.parent}: was begun with another {WORDS.get(other[0], other[0])} "
                f"({_text(begun.get(other[0]))}, now {_text(self.record[other[0]])}); continue "
                "with the same, or choose another folder"
            )

    def __enter__(self) -> CropJournal:
        """Open the file to add lines; a line that a crash cut is removed.

        Raises:
            LikewiseError: the folder cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("ab")
            self._stream.truncate(self._good)
            if not self._good:
                self._write({"format": FORMAT, "settings": self.record})
        except OSError as error:
            raise LikewiseError(cannot_write(self.path, error)) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._stream is not None
        stream, self._stream = self._stream, None
        try:
            stream.flush()
            os.fsync(stream.fileno())
        except OSError as failure:
            if kind is None:
                raise LikewiseError(cannot_write(self.path, failure)) from None
        finally:
            stream.close()

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of a photo; its crops must be there already.

        Raises:
            LikewiseError: the disk is full.
        """
        self.done[outcome.name] = outcome
        try:
            self._write(outcome.to_dict())
        except OSError as error:
            raise LikewiseError(cannot_write(self.path, error)) from None

    def forget(self, names: set[str]) -> None:
        """Remove photos, by writing the file again, atomically; not while it is open to add."""
        self.done = {name: value for name, value in self.done.items() if name not in names}
        with new_file(self.path) as temporary, temporary.open("wb") as stream:
            header = {"format": FORMAT, "settings": self.record}
            for value in (header, *(outcome.to_dict() for outcome in self.done.values())):
                stream.write(_line(value))
        self._good = self.path.stat().st_size

    def _write(self, value: dict[str, Any]) -> None:
        assert self._stream is not None
        self._stream.write(_line(value))
        self._stream.flush()  # to the system: the line outlives this process


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode() + b"\n"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name", value))[:40]
    return str(value)[:40]
