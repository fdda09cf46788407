"""Indexes on disk: data files named by their content, and a header that is swapped last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from likewise.errors import InputError
from likewise.search.exact import ExactIndex
from likewise.search.index import Index
from likewise.storage import new_file, read_json, sha256_of, write_json

__all__ = ["load", "save"]

HEADER = "index.json"
FAMILIES: dict[str, type[Index]] = {ExactIndex.family: ExactIndex}


def save(index: Index, folder: Path) -> Path:
    """Write an index; until the header is renamed, the old one reads its own files.

    Raises:
        LikewiseError: the folder cannot be written or the disk is full; the old index stays.
    """
    files = {
        "vectors": _write_array(folder, "vectors", index.vectors),
        "ids": _write_array(folder, "ids", index.ids),
    }
    if index.items is not None:
        with new_file(folder / "items.new") as temporary:
            pq.write_table(index.items, temporary)
        files["items"] = _named_by_content(folder / "items.new", "items", ".parquet")
    header = {
        "format": 1,
        "family": index.family,
        "metric": index.metric,
        "count": len(index),
        "dimension": index.dimension,
        "fingerprint": index.fingerprint,
        "files": files,
    }
    write_json(folder / HEADER, header)
    kept = {entry["file"] for entry in files.values()}
    for pattern in ("vectors-*.npy", "ids-*.npy", "items-*.parquet"):
        for old in folder.glob(pattern):
            if old.name not in kept:
                old.unlink()
    return folder


def _write_array(folder: Path, name: str, array: np.ndarray) -> dict[str, Any]:
    with new_file(folder / f"{name}.new") as temporary, temporary.open("wb") as stream:
        np.save(stream, array)
    return _named_by_content(folder / f"{name}.new", name, ".npy")


def _named_by_content(path: Path, name: str, suffix: str) -> dict[str, Any]:
    digest = sha256_of(path)
    final = path.with_name(f"{name}-{digest[:16]}{suffix}")
    path.replace(final)
    return {"file": final.name, "sha256": digest, "bytes": final.stat().st_size}


def load(folder: Path, *, mmap: bool) -> Index:
    """Read an index; see ``Index.load``."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such index; make one with: likewise index build")
    if not (folder / HEADER).exists():
        raise InputError(f"{folder}: holds no index (no {HEADER} in it)")
    header = read_json(folder / HEADER)
    if not isinstance(header, dict) or header.get("format") != 1:
        raise InputError(f"{folder / HEADER}: not the header of an index of format 1")
    family = FAMILIES.get(str(header.get("family")))
    if family is None:
        raise InputError(f"{folder / HEADER}: unknown family {header.get('family')!r}")
    try:
        paths = {name: _verified(folder, entry) for name, entry in header["files"].items()}
        vectors = np.load(paths["vectors"], mmap_mode="r" if mmap else None, allow_pickle=False)
        ids = np.load(paths["ids"], allow_pickle=False)
        items = pq.read_table(paths["items"]) if "items" in paths else None
        shape = (header["count"], header["dimension"])
        metric, fingerprint = str(header["metric"]), str(header["fingerprint"])
    except (KeyError, TypeError, AttributeError, ValueError, OSError, pa.ArrowException) as error:
        raise InputError(f"{folder}: damaged index ({error}); build it again") from None
    if vectors.shape != shape or ids.shape != shape[:1]:
        raise InputError(f"{folder}: damaged index (sizes differ from its header); build it again")
    return family(vectors, ids, metric, fingerprint, items)


def _verified(folder: Path, entry: dict[str, Any]) -> Path:
    path = folder / Path(str(entry["file"])).name
    if not path.exists() or path.stat().st_size != entry["bytes"]:
        raise InputError(f"{path}: missing or cut short; build the index again")
    if sha256_of(path) != entry["sha256"]:
        raise InputError(f"{path}: damaged (its checksum is wrong); build the index again")
    return path
