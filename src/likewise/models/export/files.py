"""Write an ONNX file and the JSON beside it so that both are the old ones or the new ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from likewise.errors import InputError
from likewise.storage import new_file, read_json, write_json

__all__ = ["new_pair", "require_replaceable"]


def require_own_json(path: Path) -> dict[str, Any] | None:
    """The configuration that lies there already; None if there is no file.

    Raises:
        InputError: the file is something else, which an export must not replace.
    """
    if not path.exists():
        return None
    with suppress(InputError):
        found = read_json(path)
        if isinstance(found, dict) and isinstance(found.get("preprocess"), dict):
            return found
    raise InputError(f"{path}: is there and describes no model; choose another name with --out")


def require_replaceable(path: Path) -> None:
    """Check that an export may be written to ``path``: nothing is there, or an earlier export.

    Raises:
        InputError: a folder is there, or an ONNX file without the JSON that an export has.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; choose another name with --out")
    if require_own_json(path.with_suffix(".json")) is None and path.exists():
        raise InputError(
            f"{path}: is there and was not written by `likewise export` (it has no JSON beside "
            "it); choose another name with --out"
        )


@contextmanager
def new_pair(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield a temporary ONNX file and an empty configuration, both to be filled in.

    After the block they become ``path`` and the JSON beside it. Between the two renames the new
    JSON holds the old configuration too, under ``previous``: whichever ONNX file is there, the
    reader finds the configuration of it. If the block fails, nothing changes.
    """
    beside = path.with_suffix(".json")
    old = require_own_json(beside) if path.exists() else None
    config: dict[str, Any] = {}
    try:
        with new_file(path) as temporary:
            yield temporary, config
            plain_old = {key: old[key] for key in old if key != "previous"} if old else None
            write_json(beside, {**config, "previous": plain_old} if plain_old else config)
    except BaseException:
        if config and old is None and not path.exists():
            beside.unlink(missing_ok=True)
        raise
    if old is not None:
        write_json(beside, config)
