"""Read WebDataset tar shards, and tar archives of identity folders, in place."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from likewise.data.containers.open_files import OpenFiles
from likewise.data.containers.tar_headers import BLOCK, Member, file_size, members
from likewise.data.formats.identity_level import IdentityLevel, identity_level
from likewise.data.formats.photo_filter import PhotoFilter
from likewise.data.formats.registry import register_format
from likewise.data.formats.unique_names import unique_names
from likewise.data.image_kind import EXTENSIONS, START_BYTES
from likewise.data.manifest import Manifest
from likewise.data.paths import escapes_root, is_hidden
from likewise.data.store import MAX_PHOTO_BYTES, ByteFile
from likewise.errors import InputError

__all__ = ["TarStore", "read", "recognises"]

MAX_SIDECAR = 2**20
MAX_LABEL = 256  # a longer .txt is a caption, not an identity
SHARD_SHIFT = 40
ROWS = 65_536
FOLDER = "^(?P<folder>.*)/"
SIDECARS = ("json", "cls", "txt")

_log = logging.getLogger(__name__)


class TarStore:
    """The photos of a set of archives; ``place`` is ``shard << 40 | header block``.

    Args:
        paths: the archives; ``place`` refers to them by index.
    """

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self._files = OpenFiles(paths)

    def read(self, place: int) -> bytes:
        """The photo whose header is at ``place``.

        Raises:
            InputError: there is no such place, or the archive has changed since it was indexed.
        """
        shard, at = place >> SHARD_SHIFT, (place % (1 << SHARD_SHIFT)) * BLOCK
        if not 0 <= shard < len(self.paths):
            raise InputError(f"place {place}: there are only {len(self.paths)} archives")
        file = self._files[shard]
        size = file_size(file.read(at, BLOCK), file.path, at)
        if size > MAX_PHOTO_BYTES:
            raise InputError(f"{file.path}: byte {at}: {size:,} bytes; too large for a photo")
        return file.read(at + BLOCK, size)

    def __reduce__(self) -> tuple[type[TarStore], tuple[list[Path]]]:
        return TarStore, (self.paths,)


def recognises(path: Path) -> bool:
    """Whether this is a ``.tar``, or a folder of them without sub-folders."""
    if not path.is_dir():
        return path.suffix.lower() == ".tar"
    visible = [entry for entry in path.iterdir() if not is_hidden(entry.name)]
    return any(e.suffix == ".tar" for e in visible) and not any(e.is_dir() for e in visible)


@register_format("tar", "a .tar, or a folder of them", recognises=recognises, priority=60)
def read(path: Path, root: Path | None = None) -> Manifest:  # noqa: ARG001  # holds its photos
    """Index the photos of one archive, or of all ``*.tar`` of a folder, from the headers alone.

    The identity of a photo is ``identity`` in ``KEY.json``, else ``KEY.cls``, else a short
    ``KEY.txt``, else its folder (if no photo has any of these, see ``identity_level``). Links,
    devices, sparse and hidden files, and files that are not photos (see ``PhotoFilter``), are
    left out with a warning.

    Raises:
        InputError: an archive is damaged or cut short, a name points outside it, a photo is too
            large or has no identity, or there is no photo.
    """
    shards = [path] if path.is_file() else sorted(path.glob("*.tar"))
    photos = PhotoFilter(path)
    pieces = [
        piece for number, shard in enumerate(shards) for piece in _index(shard, number, photos)
    ]  # tables, because rows of Python objects take too much memory
    table = pa.concat_tables(pieces) if pieces else None
    if table is None or table.num_rows == 0:
        left = photos.summary() or f"looked for {', '.join(sorted(EXTENSIONS))}"
        raise InputError(f"{path}: no photos in it; {left}")
    table = _with_identities(table, photos)
    stems = pa.array([shard.stem for shard in shards])
    numbers = pc.shift_right(table["place"], SHARD_SHIFT)
    names = unique_names(table["path"], lambda: stems.take(numbers.combine_chunks()))
    return Manifest(table.set_column(0, "path", names), path, TarStore(shards))


@dataclass
class _Rows:
    """Growing columns, converted to an Arrow table every ``ROWS`` rows."""

    names: list[str] = field(default_factory=list)
    identities: list[str | None] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def table(self) -> pa.Table:
        return pa.table(
            {
                "path": pa.array(self.names, pa.string()),
                "identity": pa.array(self.identities, pa.string()),
                "place": pa.array(self.places, pa.int64()),
            }
        )


@dataclass
class _Sample:
    """Consecutive members with the same key."""

    key: str = ""
    photos: list[Member] = field(default_factory=list)
    sidecars: dict[str, str] = field(default_factory=dict)

    def add_to(self, rows: _Rows, shard: int) -> None:
        identity = self.sidecars.get("json") or self.sidecars.get("cls") or self.sidecars.get("txt")
        for photo in self.photos:
            own = self.sidecars.get("name") if len(self.photos) == 1 else None
            rows.names.append(own or photo.name)
            rows.identities.append(identity)
            rows.places.append(shard << SHARD_SHIFT | photo.offset // BLOCK - 1)


def _index(shard: Path, number: int, photos: PhotoFilter) -> Iterator[pa.Table]:
    size = ByteFile(shard).size
    rows, sample = _Rows(), _Sample()
    skipped: list[str] = []
    with shard.open("rb", buffering=2**15) as stream:
        for member in members(stream, size, shard):
            name = member.name.removeprefix("./")
            if name.startswith("/") or escapes_root(name, shard):
                raise InputError(
                    f"{shard}: {name!r} points outside the archive; pack it again with plain names"
                )
            if member.skipped:
                skipped.append(f"{name!r} ({member.skipped})" if not skipped else "")
                continue
            folder, slash, file = name.rpartition("/")
            parts = name.split("/")
            hidden = next((n for n, part in enumerate(parts, 1) if is_hidden(part)), None)
            if hidden is not None:
                photos.leave_out_hidden("/".join(parts[:hidden]))
                continue
            stem, _, ending = file.partition(".")
            key = folder + slash + stem
            if key != sample.key:
                sample.add_to(rows, number)
                sample = _Sample(key)
                if len(rows.places) >= ROWS:
                    yield rows.table()
                    rows = _Rows()
            if ending in SIDECARS:
                if member.size <= MAX_SIDECAR:
                    content = _content(stream, member, member.size)
                    _read_sidecar(sample, ending, content, f"{shard}: {name!r}")
            elif photos.takes(name, partial(_content, stream, member, START_BYTES)):
                if member.size > MAX_PHOTO_BYTES:
                    raise InputError(f"{shard}: {name!r}: {member.size:,} bytes; too large")
                sample.photos.append(Member(name, member.offset, member.size, None))
    sample.add_to(rows, number)
    if skipped:
        _log.warning("%s: %d members left out, such as %s", shard, len(skipped), skipped[0])
    yield rows.table()


def _content(stream: BinaryIO, member: Member, most: int) -> bytes:
    """The first bytes of a member."""
    stream.seek(member.offset)
    return stream.read(min(most, member.size))


def _read_sidecar(sample: _Sample, ending: str, content: bytes, where: str) -> None:
    """Add the identity and name given by a sidecar to its sample."""
    try:
        text = content.decode()
        value = json.loads(text) if ending == "json" else text.strip()
        json.dumps(value, ensure_ascii=False).encode()  # JSON can contain lone surrogates
    except (ValueError, RecursionError):
        raise InputError(f"{where}: not valid {ending}") from None
    if ending != "json":
        if len(value) <= MAX_LABEL and "\n" not in value:
            sample.sidecars[ending] = value
    elif isinstance(value, dict):
        name, identity = value.get("name"), value.get("identity")
        if isinstance(identity, str | int):
            sample.sidecars["json"] = str(identity)
        if isinstance(name, str) and name:
            if name.startswith("/") or escapes_root(name, Path()):
                raise InputError(f"{where}: the name {name!r} points outside the archive")
            sample.sidecars["name"] = name


def _with_identities(table: pa.Table, photos: PhotoFilter) -> pa.Table:
    """Fill in the identities from the sidecars, else from the folders."""
    stated, names = table["identity"], table["path"]
    if stated.null_count == 0:
        photos.warn()
        return table
    folder_of = pc.struct_field(pc.extract_regex(names, FOLDER), [0])
    distinct = pc.unique(folder_of)
    folders = [tuple(part for part in (name or "").split("/") if part) for name in
               distinct.to_pylist()]  # fmt: skip
    level = IdentityLevel()
    if stated.null_count == len(stated):
        level = identity_level((folder for folder in folders if folder), str(photos.where))
    place = pc.index_in(folder_of, value_set=distinct)
    people = pa.array([level.identity(folder) for folder in folders], pa.string())
    identities = pc.coalesce(stated, people.take(place.combine_chunks()))
    row = pc.index(pc.is_null(identities), True).as_py()
    if row >= 0:
        raise InputError(
            f"{photos.where}: {names[row].as_py()!r}: has no identity; put a .cls or .json beside "
            "it, or put it into a folder named after its identity"
        )
    wrapping = "".join(f"{name}/" for name in folders[0][: level.wrapping])
    names = pc.utf8_slice_codeunits(names, len(wrapping))
    table = table.set_column(0, "path", names).set_column(1, "identity", identities)
    if level.split is not None:
        sides = pa.array([level.side(folder) for folder in folders], pa.string())
        table = table.append_column("split", sides.take(place.combine_chunks()))
    photos.warn(level.note)
    return table
