"""Check a file of weights before it is read: it may be empty, an LFS pointer or a web page."""

from __future__ import annotations

from pathlib import Path

from likewise.errors import InputError

__all__ = ["require_weights_file"]

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
WEB_PAGE = (b"<!doctype html", b"<html", b"<?xml")
START = 512  # bytes that identify the kind of file


def require_weights_file(path: Path) -> None:
    """Check that a file may hold weights, for a clearer error than that of its format's reader.

    Raises:
        InputError: it is missing, a folder, empty, a pointer of Git LFS, or a web page.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a file of weights")
    try:
        with path.open("rb") as stream:
            start = stream.read(START)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if not start:
        raise InputError(f"{path}: is empty; download it again")
    if start.startswith(LFS_POINTER):
        raise InputError(
            f"{path}: is a pointer of Git LFS, not the weights; fetch them with: git lfs pull"
        )
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(WEB_PAGE):
        raise InputError(f"{path}: is a web page, not weights; download the file itself")
