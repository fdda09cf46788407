"""Write WebDataset tar shards, deterministically and resumable after a crash."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from likewise.data.containers.tar_headers import BLOCK
from likewise.data.image_kind import suffix_of
from likewise.data.store import MAX_PHOTO_BYTES
from likewise.data.writers.growing_file import GrowingFile, flush_to_disk
from likewise.data.writers.registry import register_writer
from likewise.errors import InputError

__all__ = ["TarShardWriter"]

SHARD_BYTES = 512 * 2**20
IDENTITIES = "identities.jsonl"


@register_writer("tar")
class TarShardWriter:
    """Writes ``shard-000000.tar`` …: ``KEY.jpg``, ``KEY.cls`` and ``KEY.json`` per photo.

    ``.cls`` holds the number of the identity in the order of first occurrence (listed in
    ``identities.jsonl``), as WebDataset's readers expect; ``.json`` holds name and identity.
    Headers contain no times or users, so the same photos give the same bytes.

    Args:
        out: the folder.
        state: None, or a value of ``state()`` to continue from.
        shard_bytes: the largest size of a shard, unless a single photo is larger.

    Example:
        >>> from likewise.data.formats import read_manifest
        >>> writer = TarShardWriter(out)
        >>> writer.write("anna/1.png", "anna", b"the photo")
        >>> writer.finish()
        >>> read_manifest(out).photo(0).read()
        b'the photo'
    """

    def __init__(
        self, out: Path, state: dict[str, Any] | None = None, *, shard_bytes: int = SHARD_BYTES
    ) -> None:
        state = state or {"shard": 0, "shard_bytes": 0, "photos": 0, "identities_bytes": 0}
        self.out = out
        self.limit = shard_bytes
        self._shard: int = state["shard"]
        self._photos: int = state["photos"]
        self._file: GrowingFile | None = None
        keep = self._shard + (state["shard_bytes"] > 0)
        for path in (*out.glob("shard-*.tar"), *out.glob(".shard-*.tar.part")):
            number = path.name.strip(".").split(".")[0].removeprefix("shard-")
            if number.isdigit() and int(number) >= keep:
                path.unlink()
        if state["shard_bytes"]:
            self._file = GrowingFile(self._path(), state["shard_bytes"])
        self._list = GrowingFile(out / IDENTITIES, state["identities_bytes"])
        lines = self._list.partial.read_bytes().splitlines()
        self._labels = {json.loads(line): label for label, line in enumerate(lines)}

    def write(self, name: str, identity: str, data: bytes) -> None:
        """Add a photo."""
        if len(data) > MAX_PHOTO_BYTES:
            raise InputError(
                f"{name}: {len(data):,} bytes; at most {MAX_PHOTO_BYTES:,} are written"
            )
        label = self._labels.get(identity)
        if label is None:
            label = self._labels[identity] = len(self._labels)
            self._list.write(_json(identity) + b"\n")
        key = f"{self._photos:09d}"
        sample = b"".join(
            _member(key + suffix, content)
            for suffix, content in (
                (suffix_of(name, data), data),
                (".cls", b"%d" % label),
                (".json", _json({"identity": identity, "name": name})),
            )
        )
        if self._file is not None and self._file.size + len(sample) > self.limit:
            self._complete()
        if self._file is None:
            self._file = GrowingFile(self._path())
        self._file.write(sample)
        self._photos += 1

    def state(self) -> dict[str, Any]:
        """The position of the writer, after everything is flushed to disk."""
        flush_to_disk(self.out)
        return {
            "shard": self._shard,
            "shard_bytes": self._file.flush() if self._file is not None else 0,
            "photos": self._photos,
            "identities_bytes": self._list.flush(),
        }

    def finish(self) -> None:
        """Complete the last shard and the list of identities."""
        if self._file is not None:
            self._complete()
        self._list.complete()

    def _complete(self) -> None:
        assert self._file is not None
        end = 2 * BLOCK
        self._file.write(bytes(end + -(self._file.size + end) % tarfile.RECORDSIZE))
        self._file.complete()
        self._file = None
        self._shard += 1

    def _path(self) -> Path:
        return self.out / f"shard-{self._shard:06d}.tar"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


def _member(name: str, content: bytes) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    padding = bytes(-len(content) % BLOCK)
    return header.tobuf(tarfile.USTAR_FORMAT) + content + padding
