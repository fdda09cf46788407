"""Rules for file names: paths must stay inside their root; hidden and system files are skipped."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from likewise.errors import InputError

__all__ = ["SYSTEM", "escapes_root", "first_outside", "is_hidden", "path_inside"]

# Files and folders that network storage, Windows, macOS and Linux create by themselves.
SYSTEM = frozenset(
    {"@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin"}
    | {"@tmp", "@sharebin", "@sharesnap", "recycler", "~snapshot", "found.000"}
    | {"network trash folder", "temporary items"}
    | {"system volume information", "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini"}
)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden or belongs to the operating system.

    Example:
        >>> is_hidden(".git"), is_hidden("@eaDir"), is_hidden("anna")
        (True, True, False)
    """
    return name.startswith((".", "__MACOSX")) or name.casefold() in SYSTEM


def escapes_root(name: str, root: Path) -> bool:
    """Whether a path points outside ``root``, judged by the name alone: links are allowed."""
    if "\0" in name:
        return True
    if name[:1] != "/" and ".." not in name:
        return False
    path = PurePosixPath(name)
    if path.is_absolute():
        path = _normalised(path)
        return not path.is_relative_to(root.absolute())
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def _normalised(path: PurePosixPath) -> PurePosixPath:
    """An absolute path without its ``..``."""
    parts: list[str] = []
    for part in path.parts[1:]:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
    return PurePosixPath("/", *parts)


def path_inside(root: Path, name: str) -> Path:
    """``root / name``.

    Raises:
        InputError: it points outside ``root``.
    """
    if escapes_root(name, root):
        raise InputError(f"{name!r}: the path points outside {root}")
    return root / name


def first_outside(names: pa.ChunkedArray, root: Path) -> int | None:
    """The first row whose path points outside ``root``, or None; fast on millions of rows."""
    row = 0
    for chunk in names.chunks:
        suspect = pc.or_(
            pc.match_substring(chunk, ".."),
            pc.or_(pc.starts_with(chunk, "/"), pc.match_substring(chunk, "\0")),
        )
        if pc.any(suspect).as_py():
            for place in pc.indices_nonzero(suspect).to_pylist():
                if escapes_root(chunk[place].as_py(), root):
                    return row + int(place)
        row += len(chunk)
    return None
