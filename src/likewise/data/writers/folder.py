"""Write a folder with one sub-folder per identity."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from likewise.data.store import MAX_PHOTO_BYTES
from likewise.data.writers.growing_file import GrowingFile
from likewise.data.writers.registry import register_writer
from likewise.data.writers.safe_names import photo_path
from likewise.errors import InputError, LikewiseError

__all__ = ["FolderWriter"]

LIST = ".likewise-written"


@register_writer("folder")
class FolderWriter:
    """Writes ``IDENTITY/photo.jpg`` files (see ``safe_names.photo_path``), each atomically.

    The hidden file ``.likewise-written`` lists the files in the order of writing. Two photos with
    the same path are refused; on a case-insensitive disk, so are two identities that differ only
    in case.

    Args:
        out: the folder.
        state: None, or a value of ``state()`` to continue from.

    Example:
        >>> writer = FolderWriter(out)
        >>> writer.write("img/1.png", "anna", b"the photo")
        >>> writer.finish()
        >>> (out / "anna" / "img" / "1.png").read_bytes()
        b'the photo'
    """

    def __init__(self, out: Path, state: dict[str, Any] | None = None) -> None:
        self.out = out
        self._partial = out / ".likewise-photo.tmp"
        kept = state["list_bytes"] if state else 0
        path = out / LIST
        partial = GrowingFile.partial_of(path)
        for left in (path, partial):
            if state and left.exists():
                for line in left.read_bytes()[kept:].splitlines():
                    with suppress(ValueError):  # the last line may be cut
                        (out / json.loads(line)).unlink(missing_ok=True)
        self._list = GrowingFile(path, kept)
        self._partial.unlink(missing_ok=True)
        self._folder: Path | None = None
        self._identities: dict[str, str] | None = None
        if _folds_case(out):
            self._identities = {f.name.casefold(): f.name for f in out.iterdir() if f.is_dir()}

    def write(self, name: str, identity: str, data: bytes) -> None:
        """Add a photo.

        Raises:
            InputError: another photo has its name, or two identities differ only in case on a
                case-insensitive disk.
            LikewiseError: the disk is full, or cannot hold the name.
        """
        if len(data) > MAX_PHOTO_BYTES:
            raise InputError(
                f"{name}: {len(data):,} bytes; at most {MAX_PHOTO_BYTES:,} are written"
            )
        relative = photo_path(name, identity, data)
        if self._identities is not None:
            self._require_distinct(relative.parts[0])
        path = self.out / relative
        try:
            if path.parent != self._folder:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._folder = path.parent
            if os.path.lexists(path) and self._is_listed(relative.as_posix()):
                raise InputError(f"{name}: two photos of {identity!r} have this name; rename one")
            # Listed before it exists, so that files left by a crash are known.
            self._list.write(json.dumps(relative.as_posix(), ensure_ascii=False).encode() + b"\n")
            self._list.push()
            # Not flushed one by one as by new_file: state() flushes all at once.
            self._partial.write_bytes(data)
            self._partial.replace(path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise LikewiseError(f"cannot write {path} ({reason})") from None

    def state(self) -> dict[str, Any]:
        """The position of the writer, after everything is flushed to disk."""
        if hasattr(os, "sync"):
            os.sync()
        return {"list_bytes": self._list.flush()}

    def finish(self) -> None:
        """Flush everything."""
        self.state()
        self._list.complete()

    def _is_listed(self, relative: str) -> bool:
        """Whether an existing file was written in this conversion, rather than left by a crash."""
        with self._list.partial.open(encoding="utf-8") as lines:
            return any(json.loads(line).casefold() == relative.casefold() for line in lines)

    def _require_distinct(self, folder: str) -> None:
        assert self._identities is not None
        other = self._identities.setdefault(folder.casefold(), folder)
        if other != folder:
            raise InputError(
                f"{self.out}: this disk ignores case, so the identities {other!r} and {folder!r} "
                "collide; rename one, or convert to tar"
            )


def _folds_case(folder: Path) -> bool:
    """Whether the disk ignores the case of names."""
    probe = folder / ".likewise-case.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        folds = (folder / probe.name.upper()).exists()
        probe.unlink()
    except OSError as error:
        raise LikewiseError(f"cannot write {folder} ({error.strerror})") from None
    return folds
