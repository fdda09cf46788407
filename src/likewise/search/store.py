"""Indexes on disk: files named by their content, and a header that is swapped last."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from likewise.errors import InputError, LikewiseError
from likewise.search.families import FAMILIES
from likewise.search.families.exact import Exact
from likewise.search.frame import Frame
from likewise.search.knobs import settled
from likewise.search.rebuild import Contents
from likewise.search.snapshot import Base, Fresh, Snapshot
from likewise.search.space import METRICS, Space
from likewise.storage import new_file, sha256_of

if TYPE_CHECKING:
    from likewise.search.index import Index

__all__ = ["HEADER", "load", "save"]

HEADER = "index.json"
FORMAT = 2
ENGINE = "engine"
LARGEST_HEADER = 2**26
OURS = (
    "vectors-*",
    "ids-*",
    "items-*",
    "factor-*",
    "frame-*",
    "gone-*",
    "fresh_*-*",
    f"{ENGINE}-*",
)
LEFTOVERS = (".*.tmp", f".{ENGINE}.*")  # of saves that were killed


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
    with new_file(folder / HEADER) as temporary:
        temporary.write_bytes(_sealed(header))
    _remove_others(folder, header)
    return folder


def _sealed(header: dict[str, Any]) -> bytes:
    """The header as JSON with its own checksum; the same header gives the same bytes."""
    try:
        plain = json.dumps(header, indent=1, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"evidence: cannot be written as JSON ({error})") from None
    seal = hashlib.sha256(plain.encode()).hexdigest()
    whole = json.dumps({**header, "sha256": seal}, indent=1, sort_keys=True, allow_nan=False)
    return (whole + "\n").encode()


def _write_array(folder: Path, name: str, array: np.ndarray) -> dict[str, Any]:
    with new_file(folder / f".{name}.new.tmp") as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
    return _named_by_content(folder / f".{name}.new.tmp", name, ".npy")


def _write_table(folder: Path, name: str, table: pa.Table) -> dict[str, Any]:
    with new_file(folder / f".{name}.new.tmp") as temporary:
        pq.write_table(table, temporary)
    return _named_by_content(folder / f".{name}.new.tmp", name, ".parquet")


def _named_by_content(path: Path, name: str, suffix: str) -> dict[str, Any]:
    digest = sha256_of(path)
    final = path.with_name(f"{name}-{digest[:16]}{suffix}")
    path.replace(final)
    return {"file": final.name, "sha256": digest, "bytes": final.stat().st_size}


def _write_engine(folder: Path, base: Base) -> dict[str, Any]:
    """The engine's own files, in a folder of theirs that appears whole."""
    temporary = folder / f".{ENGINE}.{uuid4().hex[:8]}"
    try:
        temporary.mkdir()
        base.engine.save(temporary)
        files = {}
        for path in sorted(temporary.iterdir()):
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())
            files[path.name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        if not files:
            return {"folder": None, "files": {}}
        digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        final = folder / f"{ENGINE}-{digest[:16]}"
        if not final.exists():  # or the same content is there, under the same name
            temporary.rename(final)
        return {"folder": final.name, "files": files}
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise LikewiseError(
            f"cannot write {folder}: {reason}; free some space or choose another place with --out"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_others(folder: Path, header: dict[str, Any]) -> None:
    kept = {entry["file"] for entry in header["files"].values()}
    kept.add(header["engine_files"]["folder"])
    for pattern in (*OURS, *LEFTOVERS):
        for old in folder.glob(pattern):
            if old.name in kept:
                continue
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.unlink(missing_ok=True)


def load(folder: Path, *, mmap: bool) -> Index:
    """Read an index; see ``Index.load``."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such index; make one with: likewise index build")
    while True:
        header, seen = _read_header(folder)
        try:
            return _loaded(folder, header, mmap=mmap)
        except InputError:
            # Another process may have saved between the header and its files; then it is new.
            if (folder / HEADER).exists() and (folder / HEADER).read_bytes() != seen:
                continue
            raise


def _read_header(folder: Path) -> tuple[dict[str, Any], bytes]:
    path = folder / HEADER
    if not path.exists():
        raise InputError(f"{folder}: holds no index (no {HEADER} in it)")
    if path.stat().st_size > LARGEST_HEADER:
        raise InputError(f"{path}: too large for the header of an index")
    seen = path.read_bytes()
    try:
        header = json.loads(seen)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: damaged (not valid JSON: {error}); build it again") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else None
        raise InputError(f"{path}: an index of format {found}, not {FORMAT}; build it again")
    header.pop("sha256", None)
    if _sealed(header) != seen:
        raise InputError(f"{path}: damaged (its checksum is wrong); build the index again")
    return header, seen


def _loaded(folder: Path, header: dict[str, Any], *, mmap: bool) -> Index:
    from likewise.search.index import Index

    if header.get("family") == "milvus":
        raise InputError(f"{folder}: its vectors are on a server; open it with open_index")
    family = FAMILIES.get(str(header.get("family")))
    if family is None or header.get("engine") not in (family.name, Exact.name):
        raise InputError(f"{folder / HEADER}: unknown family {header.get('family')!r}")
    try:
        paths = {name: _verified(folder, entry) for name, entry in header["files"].items()}
        arrays = {
            name: np.load(path, mmap_mode="r" if mmap and name == "vectors" else None)
            for name, path in paths.items()
            if path.suffix == ".npy"
        }
        tables = {
            name: pq.read_table(path) for name, path in paths.items() if path.suffix == ".parquet"
        }
        space = Space(str(header["metric"]), arrays.get("factor"))
        width = header["dimension"] if space.factor is None else len(space.factor)
        _require_shapes(folder, header, arrays, width)
        settings = settled(family.name, family.build_knobs, header["settings"])
        searching = settled(family.name, family.search_knobs, header["search_settings"])
        if space.metric not in METRICS:
            raise InputError(f"{folder / HEADER}: unknown metric {space.name!r}")
        base = _base(folder, header, family, space.metric, settings, arrays, tables, mmap=mmap)
        fresh = Fresh.none(width, base.items)
        if header["fresh"]:
            rows = (arrays["fresh_vectors"], arrays["fresh_ids"])
            fresh = fresh.with_more(*rows, 0, tables.get("fresh_items"))
        gone = None
        if "gone" in arrays:
            gone = np.unpackbits(arrays["gone"], count=header["count"]).astype(np.bool_)
        snapshot = Snapshot(base, fresh, gone, 0 if gone is None else int(gone.sum()))
        contents = Contents(family, settings, space, str(header["fingerprint"]), base, snapshot)
        return Index(contents, searching, dict(header["evidence"]))
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OSError, pa.ArrowException) as error:
        raise InputError(f"{folder}: damaged index ({error}); build it again") from None


def _base(
    folder: Path,
    header: dict[str, Any],
    family: Any,
    metric: str,
    settings: Any,
    arrays: dict[str, np.ndarray],
    tables: dict[str, pa.Table],
    *,
    mmap: bool,
) -> Base:
    vectors, ids = arrays["vectors"], arrays["ids"]
    entry = header["engine_files"]
    kind = family if header["engine"] == family.name else Exact
    home = folder if entry["folder"] is None else folder / Path(str(entry["folder"])).name
    for name, file in entry["files"].items():
        _verified(home, {**file, "file": name})
    if home != folder and {path.name for path in home.iterdir()} != set(entry["files"]):
        raise InputError(f"{home}: holds files that are not the index's; build it again")
    kind.require()
    engine = kind.load(home, np.asarray(vectors), metric, settings, mmap=mmap)
    frame = Frame(arrays["frame"]) if "frame" in arrays else None
    return Base(vectors, ids, tables.get("items"), engine, frame)


def _require_shapes(
    folder: Path, header: dict[str, Any], arrays: dict[str, np.ndarray], width: int
) -> None:
    count, fresh = header["count"], header["fresh"]
    expected = {"vectors": ((count, width), np.float32), "ids": ((count,), np.int64)}
    if "frame" in arrays:
        expected["frame"] = ((width + 1,), np.float32)
    if fresh:
        expected["fresh_vectors"] = ((fresh, width), np.float32)
        expected["fresh_ids"] = ((fresh,), np.int64)
    for name, (shape, kind) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype != kind:
            raise InputError(
                f"{folder}: damaged index (sizes differ from its header); build it again"
            )


def _verified(folder: Path, entry: dict[str, Any]) -> Path:
    path = folder / Path(str(entry["file"])).name
    if not path.exists() or path.stat().st_size != entry["bytes"]:
        raise InputError(f"{path}: missing or cut short; build the index again")
    if sha256_of(path) != entry["sha256"]:
        raise InputError(f"{path}: damaged (its checksum is wrong); build the index again")
    return path
