"""An index's folder whose vectors are elsewhere: a header that names server and collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from likewise.errors import InputError
from likewise.search.storage.folder import HEADER, alone_in
from likewise.search.storage.header import FORMAT, read_header, replace_header

__all__ = ["FAMILY", "family_in", "read_pointer", "write_pointer"]

FAMILY = "milvus"


def family_in(folder: Path) -> str:
    """The family of the index in a folder.

    Raises:
        InputError: it holds no index, or its header is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such index; make one with: likewise index build")
    return str(read_header(folder).get("family"))


def write_pointer(folder: Path, uri: str, collection: str, about: dict[str, Any]) -> Path:
    """Write the header; an index that was in the folder is replaced in one step.

    Args:
        folder: of the index.
        uri: of the server; it holds no password.
        collection: the index's name there.
        about: what a reader may want to know without asking the server.
    """
    header = {
        **about,
        "format": FORMAT,
        "family": FAMILY,
        "uri": uri,
        "collection": collection,
        "files": {},
        "engine_files": {"folder": None, "files": {}},
    }
    with alone_in(folder) as locked:
        replace_header(folder, header, locked=locked)
    return folder


def read_pointer(folder: Path) -> tuple[str, str]:
    """The URI and the collection.

    Raises:
        InputError: it holds no such header, or a damaged one.
    """
    if family_in(folder) != FAMILY:
        raise InputError(f"{folder}: its vectors are in it; open it with Index.load")
    header = read_header(folder)
    uri, collection = header.get("uri"), header.get("collection")
    if not isinstance(uri, str) or not isinstance(collection, str):
        raise InputError(f"{folder / HEADER}: damaged (no uri, or no collection)")
    return uri, collection
