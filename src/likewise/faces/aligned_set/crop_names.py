"""The files of the crops: their names follow those of the photos, and no two are the same."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import PurePosixPath

from likewise.data.image_kind import EXTENSIONS
from likewise.data.manifest import Manifest
from likewise.data.writers.safe_names import safe_part

__all__ = ["crop_names", "numbered"]

NUMBERED = re.compile(r"~\d+(?=\.[^.]*$)")  # as ``numbered`` does it


def crop_names(manifest: Manifest, suffix: str, *, all_faces: bool = False) -> list[str]:
    """``IDENTITY/NAME`` with the suffix of the crops, for each photo; the tree is kept.

    Where a table has a column ``split``, the folder of the split comes first. Of photos that would
    have the same file (``1.png`` and ``1.jpg``), each keeps its own suffix too (``1.png.jpg``).

    Args:
        manifest: with identities.
        suffix: of the crops, such as ``.jpg``.
        all_faces: whether a photo may have several crops: a photo ``1~2.jpg`` beside ``1.jpg`` does
            not get the name of the second face of that one.

    Example:
        >>> import pyarrow as pa
        >>> from pathlib import Path
        >>> names = {"path": ["ann/1.png", "bo/2.jpg"], "identity": ["ann", "bo"]}
        >>> crop_names(Manifest(pa.table(names), Path("photos")), ".jpg")
        ['ann/1.jpg', 'bo/2.jpg']
    """
    identities = [str(name) for name in manifest.table["identity"].to_pylist()]
    splits: list[str | None] = [None] * len(manifest)
    if "split" in manifest.table.column_names:
        splits = manifest.table["split"].to_pylist()
    paths = [
        _path(name, identity, split)
        for name, identity, split in zip(manifest.names, identities, splits, strict=True)
    ]
    found = [_with_suffix(path, suffix) for path in paths]
    if all_faces:
        known = {name.casefold() for name in found}
        found = [
            _marked(path, original, suffix)
            if NUMBERED.search(name) and NUMBERED.sub("", name).casefold() in known
            else name
            for name, path, original in zip(found, paths, manifest.names, strict=True)
        ]
    for change in (_longer, _marked):
        counts = Counter(name.casefold() for name in found)  # some disks ignore case
        found = [
            name if counts[name.casefold()] == 1 else change(path, original, suffix)
            for name, path, original in zip(found, paths, manifest.names, strict=True)
        ]
    return found


def numbered(name: str, face: int) -> str:
    """The file of another face of the same photo: ``a.jpg``, ``a~2.jpg``, ``a~3.jpg``.

    Example:
        >>> numbered("ann/1.jpg", 0), numbered("ann/1.jpg", 1)
        ('ann/1.jpg', 'ann/1~2.jpg')
    """
    if face == 0:
        return name
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}~{face + 1}{path.suffix}"))


def _path(name: str, identity: str, split: str | None) -> PurePosixPath:
    """The parts of the file, each a name that file systems can hold, before its suffix changes."""
    rest = name.lstrip("/")
    for start in (f"{split}/{identity}/", f"{identity}/"):
        if rest.startswith(start):
            rest = rest.removeprefix(start)
            break
    parts = [part for part in rest.split("/") if part not in ("", ".", "..")] or ["photo"]
    above = [] if split is None else [split]
    return PurePosixPath(*(safe_part(part) for part in (*above, identity, *parts)))


def _with_suffix(path: PurePosixPath, suffix: str) -> str:
    stem = path.stem if path.suffix.lower() in EXTENSIONS else path.name
    return str(path.with_name(safe_part(stem + suffix)))


def _longer(path: PurePosixPath, original: str, suffix: str) -> str:  # noqa: ARG001  # as _marked
    return str(path.with_name(safe_part(path.name + suffix)))


def _marked(path: PurePosixPath, original: str, suffix: str) -> str:
    mark = hashlib.sha256(original.encode(errors="surrogateescape")).hexdigest()[:8]
    return str(path.with_name(safe_part(f"{path.name}~{mark}{suffix}")))
