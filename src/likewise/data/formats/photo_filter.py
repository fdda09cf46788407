"""Decide which files of a folder or archive are photos, and report those left out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from likewise.data.alignment import ALIGNMENT_FILES
from likewise.data.image_kind import EXTENSIONS, kind_of
from likewise.data.paths import SYSTEM, is_hidden

__all__ = ["PhotoFilter"]

_log = logging.getLogger(__name__)

SHOWN = 6  # reasons listed in a message
LONGEST = 200  # characters of a name shown
# Never reported: they hold no photos and occur in every folder of their system.
UNTOLD = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini"})
UNTOLD_STARTS = ("._", ".likewise", "__macosx")
OURS = ALIGNMENT_FILES  # beside the crops that ``likewise data align`` writes
# Suffixes of files that are not opened. Raw photos are among them: they are not supported.
NO_PHOTOS = frozenset(
    {".txt", ".md", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".htm", ".html", ".log", ".rtf"}
    | {".json", ".jsonl", ".csv", ".tsv", ".xml", ".yml", ".yaml", ".toml", ".ini", ".cfg", ".xmp"}
    | {".npy", ".npz", ".mat", ".pkl", ".h5", ".hdf5", ".pt", ".pth", ".onnx", ".safetensors"}
    | {".parquet", ".arrow", ".bin", ".rec", ".idx", ".lst", ".db", ".sqlite", ".pts", ".cls"}
    | {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".3gp", ".mp3", ".wav", ".m4a", ".aae"}
    | {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".py", ".sh", ".bat", ".exe"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef", ".srw"}
    | {".psd", ".ai", ".eps", ".svg", ".xcf", ".ico", ".lnk", ".url", ".tmp", ".part"}
)


class PhotoFilter:
    """Decides whether files are photos, and counts by reason what is left out.

    A file with an image suffix is a photo, and one with a suffix of ``NO_PHOTOS`` is not. With any
    other suffix or none, its first bytes decide.

    Args:
        where: the folder or archive, for messages.
    """

    def __init__(self, where: Path) -> None:
        self.where = where
        self._left: dict[str, tuple[int, str]] = {}

    def takes(self, name: str, start: Callable[[], bytes]) -> bool:
        """Whether a file is a photo; counts it if not.

        Args:
            name: the path of the file.
            start: returns its first bytes; called only if they are needed.
        """
        file = name.rpartition("/")[2]
        if is_hidden(file):
            self.leave_out_hidden(name)
            return False
        ending = PurePosixPath(file).suffix.lower()
        if ending in EXTENSIONS:
            return True
        if ending not in NO_PHOTOS and kind_of(start()) is not None:
            return True
        if name not in OURS:
            self.leave_out(f"{ending} files" if ending else "files without a suffix", name)
        return False

    def leave_out_hidden(self, name: str) -> None:
        """Count a file or folder for which ``is_hidden`` holds."""
        file = name.rpartition("/")[2].casefold()
        if file in UNTOLD or file.startswith(UNTOLD_STARTS):
            return
        self.leave_out("of the system" if file in SYSTEM else "hidden", name)

    def leave_out(self, reason: str, name: str) -> None:
        """Count a file or folder left out for this reason."""
        count, first = self._left.get(reason, (0, name))
        self._left[reason] = (count + 1, first)

    def summary(self) -> str:
        """One line on what was left out; empty if nothing was."""
        if not self._left:
            return ""
        most = sorted(self._left.items(), key=lambda item: -item[1][0])
        parts = [
            f"{reason} ({count:,}, {'such as ' if count > 1 else ''}{_printable(name)})"
            for reason, (count, name) in most[:SHOWN]
        ]
        rest = sum(count for _, (count, _) in most[SHOWN:])
        return "left out: " + ", ".join(parts + ([f"{rest:,} more"] if rest else []))

    def warn(self, before: str = "") -> None:
        """Log ``before`` and ``summary()`` as one warning, if either is not empty."""
        message = "; ".join(part for part in (before, self.summary()) if part)
        if message:
            _log.warning("%s: %s", _printable(str(self.where)), message)


def _printable(name: str) -> str:
    """A name in one line, with control characters and non-UTF-8 bytes escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return plain if len(plain) <= LONGEST else "…" + plain[-LONGEST:]
