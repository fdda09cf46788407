"""Test photos that code which chooses cannot open."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from likewise.errors import LikewiseError


class TestDataOpened(LikewiseError):
    """A choice was about to look at test data."""

    __test__ = False  # it is no test, whatever its name begins with


def seal(forbidden: Iterable[Path]) -> None:
    """From now on, opening one of these files raises ``TestDataOpened``, wherever it is opened.

    It lasts until the process ends: Python has no way to take it back. So it is called in the
    fresh process of a cell that serves a choice.

    Args:
        forbidden: files, and folders with all that is in them.
    """
    closed = frozenset(os.path.realpath(path) for path in forbidden)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.realpath(os.fsdecode(arguments[0]))
        while path not in closed:
            path, before = os.path.dirname(path), path  # noqa: PTH120  # called for every file
            if path == before:
                return
        raise TestDataOpened(f"{os.fsdecode(arguments[0])}: test data, opened by code that chooses")

    sys.addaudithook(watch)
