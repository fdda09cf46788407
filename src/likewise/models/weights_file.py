"""What lies where weights should: nothing, an empty file, a pointer to them, a web page."""

from __future__ import annotations

from pathlib import Path

from likewise.errors import InputError

__all__ = ["require_weights_file"]

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
WEB_PAGE = (b"<!doctype html", b"<html", b"<?xml")
START = 512  # bytes that tell what a file is


def require_weights_file(path: Path) -> None:
    """See that a file may hold weights, before a reader of its format complains of its bytes.

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
            f"{path}: is a pointer of Git LFS, not the weights themselves; fetch them with: "
            "git lfs pull"
        )
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(WEB_PAGE):
        raise InputError(
            f"{path}: is a web page, not weights: the download went to a page instead of the "
            "file; download it again"
        )
