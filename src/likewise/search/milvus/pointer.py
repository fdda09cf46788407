"""The folder of an index on a server: a header that names the server and the collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from likewise.errors import InputError
from likewise.search.storage.folder import HEADER, locked_folder
from likewise.search.storage.header import FORMAT, read_header, replace_header

__all__ = ["FAMILY", "family_in", "read_pointer", "write_pointer"]

FAMILY = "milvus"


def family_in(folder: Path) -> str:
    """The family of the index in a folder.

    Raises:
        InputError: there is no index in it, or its header is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such index; make one with: likewise index build")
    return str(read_header(folder).get("family"))


def write_pointer(folder: Path, uri: str, collection: str, about: dict[str, Any]) -> Path:
    """Write the header; an index in the folder is replaced in one step.

    Args:
        folder: of the index.
        uri: of the server, without a password.
        collection: the name of the index on the server.
        about: properties that can be read without the server.
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
    with locked_folder(folder) as locked:
        replace_header(folder, header, locked=locked)
    return folder


def read_pointer(folder: Path) -> tuple[str, str]:
    """The URI and the collection.

    Raises:
        InputError: there is no such header, or it is damaged.
    """
    if family_in(folder) != FAMILY:
        raise InputError(f"{folder}: its vectors are in the folder; open it with Index.load")
    header = read_header(folder)
    uri, collection = header.get("uri"), header.get("collection")
    if not isinstance(uri, str) or not isinstance(collection, str):
        raise InputError(f"{folder / HEADER}: damaged (no uri, or no collection)")
    return uri, collection
