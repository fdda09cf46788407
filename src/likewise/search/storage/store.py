"""Indexes on disk: files named by their content, and a header that is swapped last."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from likewise.errors import InputError
from likewise.search.contents.numeric_frame import Frame
from likewise.search.contents.rebuild import Contents, built_base
from likewise.search.contents.snapshot import Base, Fresh, Snapshot
from likewise.search.contents.space import METRICS, Space, require_metric
from likewise.search.families import FAMILIES
from likewise.search.families.engine import Engine, Vectors
from likewise.search.families.exact import Exact
from likewise.search.families.knobs import Settings, settled
from likewise.search.storage.checked_files import (
    array_in,
    engine_in,
    engine_name,
    require_distinct,
    table_in,
)
from likewise.search.storage.folder import ENGINE, HEADER, alone_in, part
from likewise.search.storage.header import FORMAT, mark_of, read_header, replace_header
from likewise.storage import sha256_of

if TYPE_CHECKING:
    from likewise.search.index import Index

__all__ = ["load", "save"]

TRIES = 20  # to read what others save meanwhile


def save(index: Index, folder: Path) -> Path:
    """Write an index; until the header is renamed, the old one reads its own files.

    Raises:
        LikewiseError: the folder cannot be written or the disk is full; the old index stays.
    """
    contents = index._contents
    now = contents.snapshot  # one moment's, whatever writers do meanwhile
    base, fresh = now.base, now.fresh
    arrays: dict[str, np.ndarray] = {"vectors": base.plain, "ids": base.ids}
    if contents.space.factor is not None:
        arrays["factor"] = contents.space.factor
    if base.frame is not None:
        arrays["frame"] = base.frame.numbers
    if now.gone is not None:
        arrays["gone"] = np.packbits(now.gone)
    if fresh.count:
        arrays["fresh_vectors"], arrays["fresh_ids"] = fresh.vectors, fresh.ids
    tables = {"items": base.items}
    if fresh.count:
        tables["fresh_items"] = fresh.items
    with alone_in(folder) as locked:
        files = {name: _write_array(folder, name, array) for name, array in arrays.items()}
        files |= {
            name: _write_table(folder, name, table)
            for name, table in tables.items()
            if table is not None
        }
        header = {
            "format": FORMAT,
            "family": index.family,
            "engine": base.engine.name,
            "settings": contents.settings,
            "search_settings": index.search_settings,
            "metric": contents.space.name,
            "dimension": index.dimension,
            "count": len(base.ids),
            "fresh": fresh.count,
            "fingerprint": contents.fingerprint,
            "evidence": index.evidence,
            "files": files,
            "engine_files": _write_engine(folder, base),
        }
        replace_header(folder, header, locked=locked)
    return folder


def _write_array(folder: Path, name: str, array: np.ndarray) -> dict[str, Any]:
    with part(folder, name) as new:
        with new.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
            _flush(stream)
        return _named_by_content(new, name, ".npy")


def _write_table(folder: Path, name: str, table: pa.Table) -> dict[str, Any]:
    columns = [_without_unused(column) for column in table.columns]
    with part(folder, name) as new:
        pq.write_table(pa.Table.from_arrays(columns, schema=table.schema), new)
        with new.open("rb+") as stream:
            _flush(stream)
        return _named_by_content(new, name, ".parquet")


def _without_unused(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without the values that its dictionary holds and no row has: Parquet writes all."""
    kind = column.type
    if not pa.types.is_dictionary(kind):
        if not _holds_dictionaries(kind):
            return column
        return pa.chunked_array([pa.array(column.to_pylist(), kind)])
    chunks = []
    for chunk in column.unify_dictionaries().chunks:
        used = chunk.indices.unique().drop_null().sort()
        places = pc.index_in(chunk.indices, used).cast(kind.index_type)
        values = chunk.dictionary.take(used)
        chunks.append(pa.DictionaryArray.from_arrays(places, values, ordered=kind.ordered))
    return pa.chunked_array(chunks, kind)


def _holds_dictionaries(kind: pa.DataType) -> bool:
    fields = (kind.field(place).type for place in range(kind.num_fields))
    return pa.types.is_dictionary(kind) or any(map(_holds_dictionaries, fields))


def _flush(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _named_by_content(path: Path, name: str, suffix: str) -> dict[str, Any]:
    digest = sha256_of(path)
    final = path.with_name(f"{name}-{digest[:16]}{suffix}")
    path.replace(final)
    return {"file": final.name, "sha256": digest, "bytes": final.stat().st_size}


def _write_engine(folder: Path, base: Base) -> dict[str, Any]:
    """The engine's own files, in a folder of theirs that appears whole."""
    with part(folder, ENGINE) as new:
        new.mkdir()
        base.engine.save(new)
        files = {}
        for path in sorted(new.iterdir()):
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())
            files[path.name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        if not files:
            return {"folder": None, "files": {}}
        final = folder / engine_name(files)
        if not _holds(final, files):
            with part(folder, ENGINE) as damaged:
                if final.exists():
                    final.rename(damaged)
                new.rename(final)
        return {"folder": final.name, "files": files}


def _holds(home: Path, files: dict[str, Any]) -> bool:
    """Whether the same content is there already."""
    if not home.is_dir() or {path.name for path in home.iterdir()} != set(files):
        return False
    return all(
        (home / name).stat().st_size == file["bytes"] and sha256_of(home / name) == file["sha256"]
        for name, file in files.items()
    )


def load(folder: Path, *, mmap: bool, rebuild: bool = False) -> Index:
    """Read an index; see ``Index.load``."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such index; make one with: likewise index build")
    for left in reversed(range(TRIES)):
        mark = mark_of(folder)
        header = read_header(folder)
        try:
            return _loaded(folder, header, mmap=mmap, rebuild=rebuild)
        except InputError:
            # Another may have saved between the header and its files; then the header is new.
            if not left or mark_of(folder) == mark:
                raise
    raise AssertionError("the last try returns or raises")


def _loaded(folder: Path, header: dict[str, Any], *, mmap: bool, rebuild: bool) -> Index:
    from likewise.search.index import Index

    if header.get("family") == "milvus":
        raise InputError(f"{folder}: its vectors are on a server; open it with open_index")
    family = FAMILIES.get(str(header.get("family")))
    if family is None or header.get("engine") not in (family.name, Exact.name):
        raise InputError(f"{folder / HEADER}: unknown family {header.get('family')!r}")
    try:
        settings, searching = _settings(folder, header, family)
        files, count, more = header["files"], _whole(header, "count"), _whole(header, "fresh")
        factor = None
        if "factor" in files:
            shape = (None, _whole(header, "dimension"))
            factor = array_in(folder, "factor", files, shape, np.float32)
        space = Space(str(header["metric"]), factor)
        if space.name not in (METRICS if factor is None else ("mahalanobis",)):
            raise InputError(f"{folder / HEADER}: unknown metric {space.name!r}")
        width = _whole(header, "dimension") if factor is None else len(factor)
        vectors = array_in(folder, "vectors", files, (count, width), np.float32, mmap=mmap)
        ids = array_in(folder, "ids", files, (count,), np.int64)
        items = table_in(folder, "items", files, count) if "items" in files else None
        gone = None
        if "gone" in files:
            bits = array_in(folder, "gone", files, (-(-count // 8),), np.uint8)
            gone = np.unpackbits(bits, count=count).astype(np.bool_)
        fresh = Fresh.none(width, items)
        if more:
            rows = array_in(folder, "fresh_vectors", files, (more, width), np.float32)
            numbers = array_in(folder, "fresh_ids", files, (more,), np.int64)
            table = None if items is None else table_in(folder, "fresh_items", files, more)
            fresh = fresh.with_more(rows, numbers, 0, table)
        require_distinct(folder, ids, gone, fresh.ids)
        require_metric(family, space)
        kind = family if header["engine"] == family.name else Exact
        kind.require()
        if rebuild:
            base = built_base(family, space, settings, vectors, ids, items)
        else:
            home = engine_in(folder, header["engine_files"])
            engine = _engine(folder, home, kind, np.asarray(vectors), space, settings, mmap=mmap)
            frame = None
            if "frame" in files:
                frame = Frame(array_in(folder, "frame", files, (width + 1,), np.float32))
            base = Base(vectors, ids, items, engine, frame)
            _try_out(home, base, searching)
        snapshot = Snapshot(base, fresh, gone, 0 if gone is None else int(gone.sum()))
        contents = Contents(family, settings, space, str(header["fingerprint"]), base, snapshot)
        return Index(contents, searching, dict(header["evidence"]))
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{folder}: does not fit in memory") from None
    except (KeyError, TypeError, AttributeError, ValueError, OSError, pa.ArrowException) as error:
        raise InputError(f"{folder}: damaged index ({error}); build it again") from None


def _settings(
    folder: Path, header: dict[str, Any], family: type[Engine]
) -> tuple[Settings, Settings]:
    try:
        return (
            settled(family.name, family.build_knobs, header["settings"]),
            settled(family.name, family.search_knobs, header["search_settings"]),
        )
    except InputError as error:
        raise InputError(f"{folder / HEADER}: {error}") from None


def _whole(header: dict[str, Any], name: str) -> int:
    number = header[name]
    if type(number) is not int or number < 0:
        raise ValueError(f"{name} is {number!r}")
    return number


def _engine(
    folder: Path,
    home: Path | None,
    kind: type[Engine],
    vectors: Vectors,
    space: Space,
    settings: Settings,
    *,
    mmap: bool,
) -> Engine:
    if (home is None) != (kind is Exact):
        raise InputError(f"{folder / HEADER}: damaged (engine_files); build the index again")
    try:
        return kind.load(home or folder, vectors, space.metric, settings, mmap=mmap)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever its library says
        raise InputError(f"{home}: cannot be read ({_line(error)}); build it again") from None


def _try_out(home: Path | None, base: Base, settings: Settings) -> None:
    """Search once: an engine over other vectors shows it here, and not to the first user."""
    if home is None or not len(base.ids):
        return
    try:
        rows = base.nearest(np.asarray(base.vectors[:1]), 1, settings)
    except Exception as error:  # whatever its library says
        raise InputError(
            f"{home}: is not over the index's vectors ({_line(error)}); build it again"
        ) from None
    if rows.max(initial=-1) >= len(base.ids):
        raise InputError(f"{home}: is not over the index's vectors; build it again")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
