"""The header of an index: a JSON file with a checksum that lists all other files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from likewise.errors import InputError
from likewise.search.storage.folder import HEADER, remove_unlisted
from likewise.storage import new_file

__all__ = ["FORMAT", "header_stamp", "read_header", "replace_header", "with_checksum"]

FORMAT = 2
LARGEST_HEADER = 2**26


def with_checksum(header: dict[str, Any]) -> bytes:
    """The header as JSON with its checksum; equal headers give equal bytes.

    Raises:
        InputError: the evidence cannot be written as JSON.
    """
    try:
        plain = json.dumps(header, indent=1, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"evidence: cannot be written as JSON ({error})") from None
    digest = hashlib.sha256(plain.encode()).hexdigest()
    whole = json.dumps({**header, "sha256": digest}, indent=1, sort_keys=True, allow_nan=False)
    return (whole + "\n").encode()


def replace_header(folder: Path, header: dict[str, Any], *, locked: bool) -> None:
    """Replace the header, then remove files that only the old one lists.

    Args:
        folder: of the index; it holds all files that the header lists.
        header: the new header.
        locked: no other process can be saving, so unlisted files are of killed saves.

    Raises:
        LikewiseError: the folder cannot be written; the old header stays.
    """
    before = None if locked else _listed_in(folder)
    with new_file(folder / HEADER) as temporary:
        temporary.write_bytes(with_checksum(header))
    remove_unlisted(folder, _listed(header), before)


def _listed(header: dict[str, Any]) -> set[str]:
    names = {str(entry["file"]) for entry in header["files"].values()}
    return names | {str(header["engine_files"]["folder"])}


def _listed_in(folder: Path) -> set[str]:
    try:
        return _listed(read_header(folder))
    except (InputError, KeyError, TypeError, AttributeError):
        return set()


def header_stamp(folder: Path) -> tuple[int, ...]:
    """Identifies the header file; it changes with every replacement, even by equal content."""
    try:
        found = (folder / HEADER).stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def read_header(folder: Path) -> dict[str, Any]:
    """The header of a folder.

    Raises:
        InputError: there is none, or it is damaged or of another format.
    """
    path = folder / HEADER
    if not path.exists():
        raise InputError(f"{folder}: holds no index (no {HEADER} in it)")
    if not path.is_file():
        raise InputError(f"{path}: not a file, so not the header of an index; remove it")
    if path.stat().st_size > LARGEST_HEADER:
        raise InputError(f"{path}: too large for the header of an index")
    try:
        seen = path.read_bytes()
        header = json.loads(seen, parse_constant=_refused)
    except RecursionError:
        raise InputError(f"{path}: damaged (nested too deeply); build it again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # not JSON, not UTF-8, or a number that Python refuses
        reason = str(error).split(";")[0]
        raise InputError(f"{path}: damaged (not valid JSON: {reason}); build it again") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else None
        raise InputError(
            f"{path}: an index of format {str(found)[:20]}, not {FORMAT}; build it again"
        )
    header.pop("sha256", None)
    try:
        whole = with_checksum(header) == seen
    except (InputError, RecursionError):  # values that no header can hold, such as 1e999
        whole = False
    if not whole:
        raise InputError(f"{path}: damaged (its checksum is wrong); build the index again")
    return header


def _refused(word: str) -> float:
    raise ValueError(f"{word} is not JSON")
