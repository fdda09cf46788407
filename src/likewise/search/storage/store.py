"""Indexes on disk: files named by a hash of their content, and a header that is replaced last."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from likewise.errors import InputError, first_line
from likewise.search.contents.build import build_base
from likewise.search.contents.contents import Contents
from likewise.search.contents.rescaling import Rescaling
from likewise.search.contents.snapshot import Base, Fresh, Snapshot
from likewise.search.contents.space import METRICS, Space, require_metric
from likewise.search.contents.tables import without_unused_values
from likewise.search.engines.engine import Engine, Vectors
from likewise.search.engines.parameters import Settings, checked_settings
from likewise.search.families import FAMILIES
from likewise.search.families.exact import Exact
from likewise.search.storage.checked_files import (
    array_in,
    engine_in,
    engine_name,
    require_distinct,
    table_in,
)
from likewise.search.storage.folder import ENGINE, HEADER, locked_folder, temporary_path
from likewise.search.storage.header import FORMAT, header_stamp, read_header, replace_header
from likewise.storage import sha256_of

__all__ = ["Saved", "load", "save"]

TRIES = 20  # of reading, while other processes save


class Saved(NamedTuple):
    """What a folder holds of an index: the arguments of ``Index``."""

    contents: Contents
    search_settings: Settings
    evidence: dict[str, Any]


def save(
    folder: Path, contents: Contents, search_settings: Settings, evidence: Mapping[str, Any]
) -> Path:
    """Write an index; the old one stays valid until its header is replaced.

    Raises:
        LikewiseError: the folder cannot be written or the disk is full; the old index stays.
    """
    now = contents.snapshot  # writers may replace it meanwhile
    base, fresh = now.base, now.fresh
    arrays: dict[str, np.ndarray] = {"vectors": base.plain, "ids": base.ids}
    if contents.space.factor is not None:
        arrays["factor"] = contents.space.factor
    if base.rescaling is not None:
        arrays["frame"] = base.rescaling.numbers
    if now.gone is not None:
        arrays["gone"] = np.packbits(now.gone)
    if fresh.count:
        arrays["fresh_vectors"], arrays["fresh_ids"] = fresh.vectors, fresh.ids
    tables = {"items": base.items}
    if fresh.count:
        tables["fresh_items"] = fresh.items
    with locked_folder(folder) as locked:
        files = {name: _write_array(folder, name, array) for name, array in arrays.items()}
        files |= {
            name: _write_table(folder, name, table)
            for name, table in tables.items()
            if table is not None
        }
        header = {
            "format": FORMAT,
            "family": contents.family.name,
            "engine": base.engine.name,
            "settings": contents.settings,
            "search_settings": search_settings,
            "metric": contents.space.name,
            "dimension": contents.dimension,
            "count": len(base.ids),
            "fresh": fresh.count,
            "fingerprint": contents.fingerprint,
            "evidence": dict(evidence),
            "files": files,
            "engine_files": _write_engine(folder, base),
        }
        if contents.alignment is not None:
            header["alignment"] = contents.alignment
        replace_header(folder, header, locked=locked)
    return folder


def _write_array(folder: Path, name: str, array: np.ndarray) -> dict[str, Any]:
    with temporary_path(folder, name) as new:
        with new.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
            _flush(stream)
        return _renamed_by_content(new, name, ".npy")


def _write_table(folder: Path, name: str, table: pa.Table) -> dict[str, Any]:
    columns = [without_unused_values(column) for column in table.columns]
    with temporary_path(folder, name) as new:
        pq.write_table(pa.Table.from_arrays(columns, schema=table.schema), new)
        with new.open("rb+") as stream:
            _flush(stream)
        return _renamed_by_content(new, name, ".parquet")


def _flush(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _renamed_by_content(path: Path, name: str, suffix: str) -> dict[str, Any]:
    digest = sha256_of(path)
    final = path.with_name(f"{name}-{digest[:16]}{suffix}")
    path.replace(final)
    return {"file": final.name, "sha256": digest, "bytes": final.stat().st_size}


def _write_engine(folder: Path, base: Base) -> dict[str, Any]:
    """Write the engine's files into their own folder, which appears complete or not at all."""
    with temporary_path(folder, ENGINE) as new:
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
            with temporary_path(folder, ENGINE) as damaged:
                if final.exists():
                    final.rename(damaged)
                new.rename(final)
        return {"folder": final.name, "files": files}


def _holds(home: Path, files: dict[str, Any]) -> bool:
    """Whether the folder already holds these files."""
    if not home.is_dir() or {path.name for path in home.iterdir()} != set(files):
        return False
    return all(
        (home / name).stat().st_size == file["bytes"] and sha256_of(home / name) == file["sha256"]
        for name, file in files.items()
    )


def load(folder: Path, *, mmap: bool, rebuild: bool = False) -> Saved:
    """Read an index; see ``Index.load``."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such index; make one with: likewise index build")
    for left in reversed(range(TRIES)):
        stamp = header_stamp(folder)
        header = read_header(folder)
        try:
            return _loaded(folder, header, mmap=mmap, rebuild=rebuild)
        except InputError:
            # Another process may have saved after the header was read; then the header is new.
            if not left or header_stamp(folder) == stamp:
                raise
    raise AssertionError("the last try returns or raises")


def _loaded(folder: Path, header: dict[str, Any], *, mmap: bool, rebuild: bool) -> Saved:
    if header.get("family") == "milvus":
        raise InputError(f"{folder}: its vectors are on a Milvus server; open it with open_index")
    family = FAMILIES.get(str(header.get("family")))
    if family is None or header.get("engine") not in (family.name, Exact.name):
        raise InputError(
            f"{folder / HEADER}: unknown family {header.get('family')!r}; if it is yours, import "
            "the module that registers it first"
        )
    try:
        settings, searching = _settings(folder, header, family)
        files, count, more = header["files"], _count(header, "count"), _count(header, "fresh")
        factor = None
        if "factor" in files:
            shape = (None, _count(header, "dimension"))
            factor = array_in(folder, "factor", files, shape, np.float32)
        space = Space(str(header["metric"]), factor)
        if space.name not in (METRICS if factor is None else ("mahalanobis",)):
            raise InputError(f"{folder / HEADER}: unknown metric {space.name!r}")
        width = _count(header, "dimension") if factor is None else len(factor)
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
            base = build_base(family, space, settings, vectors, ids, items)
        else:
            home = engine_in(folder, header["engine_files"])
            engine = _engine(folder, home, kind, np.asarray(vectors), space, settings, mmap=mmap)
            rescaling = None
            if "frame" in files:
                numbers = array_in(folder, "frame", files, (width + 1,), np.float32)
                rescaling = Rescaling(numbers)
            base = Base(vectors, ids, items, engine, rescaling)
            _test_search(home, base, searching)
        snapshot = Snapshot(base, fresh, gone, 0 if gone is None else int(gone.sum()))
        contents = Contents(family, settings, space, str(header["fingerprint"]), base, snapshot)
        alignment = header.get("alignment")
        contents.alignment = alignment if isinstance(alignment, str) else None
        return Saved(contents, searching, dict(header["evidence"]))
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
            checked_settings(family.name, family.build_parameters, header["settings"]),
            checked_settings(family.name, family.search_parameters, header["search_settings"]),
        )
    except InputError as error:
        raise InputError(f"{folder / HEADER}: {error}") from None


def _count(header: dict[str, Any], name: str) -> int:
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
    except Exception as error:  # any error of its library
        raise InputError(f"{home}: cannot be read ({first_line(error)}); build it again") from None


def _test_search(home: Path | None, base: Base, settings: Settings) -> None:
    """Search once, so that an engine over other vectors fails here and not at the first query."""
    if home is None or not len(base.ids):
        return
    try:
        rows = base.nearest(np.asarray(base.vectors[:1]), 1, settings)
    except Exception as error:  # any error of its library
        raise InputError(
            f"{home}: was built over other vectors ({first_line(error)}); build it again"
        ) from None
    if rows.max(initial=-1) >= len(base.ids):
        raise InputError(f"{home}: was built over other vectors; build it again")
