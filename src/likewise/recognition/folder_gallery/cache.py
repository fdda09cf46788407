"""The cache of a gallery's embeddings: a file that grows by lines, and is rewritten at the end.

All settings under which one folder was embedded lie in one folder of the cache, so that a photo
that was deleted is forgotten by all of them.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from likewise.cache import ADVICE, cache_folder, cache_key
from likewise.errors import LikewiseError, cannot_write
from likewise.locks import hold_lock
from likewise.recognition.folder_gallery.record import PhotoRecord
from likewise.storage import new_file

__all__ = ["GalleryCache"]

log = logging.getLogger(__name__)

KIND, ORIGIN, LOCK, ENDING = "galleries", "folder.txt", "lock", ".jsonl"
FORMAT = 1


class GalleryCache:
    """The remembered photos of one folder under one choice of settings.

    Args:
        folder: of the gallery.
        settings: what the vectors depend on; see ``Recognizer.settings``.
        dimension: D, of the vectors.
        root: the folder of all such caches; by default in the user's cache.
    """

    def __init__(
        self, folder: Path, settings: str, dimension: int, root: Path | None = None
    ) -> None:
        self._origin = str(folder.resolve())
        self._root = cache_folder(KIND) if root is None else root
        self.home = self._root / cache_key(self._origin)
        self.path = self.home / f"{cache_key(settings)}{ENDING}"
        self._head = json.dumps({"format": FORMAT, "settings": settings, "dimension": dimension})
        self._dimension = dimension

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the cache of this folder; other processes wait.

        Raises:
            LikewiseError: the cache cannot be written.
        """
        busy = f"{self._origin}: another process embeds this gallery; waiting"
        with hold_lock(self.home / LOCK, busy, wait=None, advice=ADVICE):
            if not (self.home / ORIGIN).exists():
                with new_file(self.home / ORIGIN) as temporary:
                    temporary.write_bytes(os.fsencode(self._origin))
            for left in self.home.glob(".*.tmp"):  # of a process that was killed
                left.unlink(missing_ok=True)
            yield

    def read(self) -> dict[str, PhotoRecord]:
        """The last record of each photo by its name; damaged lines are passed over."""
        return {record.name: record for record in self._records(self.path)}

    @contextmanager
    def appending(self) -> Iterator[Callable[[Iterable[PhotoRecord]], None]]:
        """Yield a function that adds records; once it returns, they survive a crash.

        Raises:
            LikewiseError: the disk is full.
        """
        try:
            whole = self.path.exists() and self._is_ours(self.path)
            with self.path.open("ab" if whole else "wb") as stream:
                # A line that a crash cut off must not run into the next one.
                stream.write(b"\n" if whole else f"{self._head}\n".encode())

                def add(records: Iterable[PhotoRecord]) -> None:
                    stream.write("".join(record.to_line() for record in records).encode())
                    stream.flush()
                    os.fsync(stream.fileno())

                yield add
        except OSError as error:
            raise LikewiseError(cannot_write(self.path, error, ADVICE)) from None

    def keep(self, records: Mapping[str, PhotoRecord]) -> None:
        """Leave only these records in the file; the others are gone from the disk."""
        if _lines(self.path) > len(records):
            _write(self.path, self._head, records.values())

    def forget_elsewhere(self, photos: Mapping[str, PhotoRecord]) -> None:
        """Leave only these photos in the caches of this folder under other settings.

        Args:
            photos: by name; another content under the same name is another photo.
        """
        for path in self.home.glob(f"*{ENDING}"):
            if path == self.path:
                continue
            head, dimension = _head_of(path)
            if dimension is None:
                path.unlink(missing_ok=True)
                continue
            records = {
                record.name: record
                for record in self._records(path, dimension)
                if record.name in photos and photos[record.name].sha256 == record.sha256
            }
            if _lines(path) > len(records):
                _write(path, head, records.values())

    def sweep(self) -> int:
        """Delete the caches of folders that are gone; returns how many there were."""
        count = 0
        for home in self._root.iterdir():
            try:
                origin = Path(os.fsdecode((home / ORIGIN).read_bytes()))
                if home == self.home or origin.is_dir():
                    continue
                with FileLock(home / LOCK, timeout=0):
                    shutil.rmtree(home)
                count += 1
            except (OSError, Timeout):  # in use, or not ours to delete
                continue
        return count

    def delete(self) -> None:
        """Delete everything that is remembered of this folder."""
        shutil.rmtree(self.home, ignore_errors=True)

    def _is_ours(self, path: Path) -> bool:
        return _head_of(path)[0] == self._head

    def _records(self, path: Path, dimension: int | None = None) -> Iterator[PhotoRecord]:
        if not path.exists() or (dimension is None and not self._is_ours(path)):
            return
        with path.open(encoding="utf-8", errors="replace") as stream:
            next(stream, None)
            for line in stream:
                record = PhotoRecord.from_line(line, dimension or self._dimension)
                if record is not None:
                    yield record


def _write(path: Path, head: str, records: Iterable[PhotoRecord]) -> None:
    with new_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write(f"{head}\n")
        stream.writelines(record.to_line() for record in records)


def _lines(path: Path) -> int:
    """The records in a cache, those of a photo that changed and damaged ones too."""
    if not path.exists():
        return 0
    with path.open("rb") as stream:
        return sum(bool(line.strip()) for line in stream) - 1


def _head_of(path: Path) -> tuple[str, int | None]:
    """The first line of a cache and its dimension; None if it is damaged or of another version."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            head = stream.readline(10_000).rstrip("\n")
        values = json.loads(head)
        return head, int(values["dimension"]) if values["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return "", None
