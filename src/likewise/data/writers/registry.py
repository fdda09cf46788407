"""The registry of writable formats, and the interface of their writers.

A writer is one class under the decorator ``register_writer``. The modules of
``likewise.data.writers`` register themselves at the first use of a writer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Protocol, TypeVar

from likewise.arguments import full_name, one_of
from likewise.errors import InputError

__all__ = ["PhotoWriter", "WriterFormat", "list_writers", "register_writer", "writer_format"]


class PhotoWriter(Protocol):
    """Writes labeled photos, their bytes unchanged, into a folder.

    The files of an interrupted and resumed run equal those of an uninterrupted one bit for bit, if
    ``state`` is called after the same photos in both.

    Args:
        out: the folder.
        state: None to start a new output; else a value that ``state()`` returned: everything that
            was written after that call is removed, and writing continues from there.
    """

    def __init__(self, out: Path, state: dict[str, Any] | None = None) -> None: ...

    def write(self, name: str, identity: str, data: bytes) -> None:
        """Add a photo: its name, its identity, and its encoded bytes.

        Raises:
            InputError: the format cannot hold this name or these bytes.
            LikewiseError: the disk is full.
        """

    def state(self) -> dict[str, Any]:
        """Flush everything to disk and return the writer's position as plain JSON values."""

    def finish(self) -> None:
        """Complete the last file; the output can be read afterwards."""


@dataclass(frozen=True)
class WriterFormat:
    """A format that photos can be converted to.

    Args:
        name: its short name, the argument of ``--to``.
        writer: the class of its writer.
        grouped: whether the photos of an identity must be written one after another.
    """

    name: str
    writer: type[PhotoWriter]
    grouped: bool


_WRITERS: dict[str, WriterFormat] = {}
W = TypeVar("W", bound=type[PhotoWriter])


def register_writer(name: str, *, grouped: bool = False) -> Callable[[W], W]:
    """Register the decorated ``PhotoWriter`` class as the writer of a format.

    ``likewise data convert --to NAME`` then writes this format. A format of the same output must be
    readable too (``likewise.data.formats.register_format``), because a conversion reads its output
    again to verify it.

    Args:
        name: a short, unique name.
        grouped: whether the photos of an identity must be written one after another.

    Raises:
        InputError: the name is that of another writer.
    """

    def register(writer: W) -> W:
        if not writer.__module__.startswith("likewise.data.writers."):
            _import_built_in_writers()  # their names are taken
        other = _WRITERS.get(name)
        if other is not None and full_name(other.writer) != full_name(writer):
            raise InputError(
                f"writer {name!r}: already registered by {full_name(other.writer)}; choose "
                f"another name for {full_name(writer)}"
            )
        _WRITERS[name] = WriterFormat(name, writer, grouped)
        return writer

    return register


def list_writers() -> list[str]:
    """The names of all formats that can be written, sorted."""
    _import_built_in_writers()
    return sorted(_WRITERS)


def writer_format(name: str) -> WriterFormat:
    """The format registered under this name.

    Raises:
        InputError: there is none; names all of them.
    """
    return _WRITERS[one_of("to", name, list_writers())]


@cache
def _import_built_in_writers() -> None:
    package = import_module("likewise.data.writers")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
