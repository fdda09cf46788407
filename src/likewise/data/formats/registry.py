"""The registry of readable formats, and ``read_manifest``, which asks it how to read a path.

A format is one function ``read(path, root) -> Manifest`` under the decorator ``register_format``,
which states the format's name, how it is recognised, and its priority. The modules of
``likewise.data.formats`` register themselves when the first path is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from likewise.arguments import full_name, one_of
from likewise.data.alignment import alignment_of_crops
from likewise.data.formats.own_dataset import is_dataset, manifest_of
from likewise.data.labels import with_identities
from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["Format", "format_of", "has_suffix", "list_formats", "read_manifest", "register_format"]

Reader = Callable[[Path, Path | None], Manifest]

_FORMATS: dict[str, Format] = {}


@dataclass(frozen=True)
class Format:
    """A format of labeled photos.

    Args:
        name: its short name.
        description: what a source in this format looks like, for error messages.
        recognises: returns True if an existing path is in this format.
        read: reads a path as a manifest; its second argument is the folder that relative paths
            start from, or None for the default.
        priority: formats with a higher priority are tried first.
    """

    name: str
    description: str
    recognises: Callable[[Path], bool]
    read: Reader
    priority: int


def register_format(
    name: str, description: str, *, recognises: Callable[[Path], bool], priority: int = 100
) -> Callable[[Reader], Reader]:
    """Register the decorated function as the reader of a format.

    Of several formats that recognise a path, the one with the highest priority reads it. Built-in
    formats have priorities from 90 (recognised by their content) through 50 (recognised by the
    suffix) down to 0 (any folder).

    Args:
        name: a short, unique name.
        description: what a source in this format looks like, for error messages.
        recognises: returns True if an existing path is in this format; it must not raise.
        priority: by default above every built-in format.

    Raises:
        InputError: the name is that of another reader.

    Example:
        >>> import likewise, pyarrow as pa
        >>> from likewise.data.formats import has_suffix, register_format
        >>> @register_format("names", "a .names file", recognises=has_suffix(".names"))
        ... def read(path, root=None):
        ...     paths = path.read_text().split()
        ...     people = [name.split("/")[0] for name in paths]
        ...     return likewise.Manifest(pa.table({"path": paths, "identity": people}), path.parent)
        >>> _ = (photos / "list.names").write_text("anna/0.png bob/0.png")
        >>> likewise.read_manifest(photos / "list.names").identities
        ['anna', 'bob']
    """

    def register(read: Reader) -> Reader:
        if not (read.__module__ or "").startswith("likewise.data.formats."):
            _import_built_in_formats()  # their names are taken
        other = _FORMATS.get(name)
        if other is not None and full_name(other.read) != full_name(read):
            raise InputError(
                f"format {name!r}: already registered by {full_name(other.read)}; choose another "
                f"name for {full_name(read)}"
            )
        _FORMATS[name] = Format(name, description, recognises, read, priority)
        return read

    return register


def has_suffix(*suffixes: str) -> Callable[[Path], bool]:
    """A test for files whose name ends in one of these suffixes, in upper or lower case."""
    return lambda path: path.suffix.lower() in suffixes and path.is_file()


def list_formats() -> list[Format]:
    """All registered formats, in the order in which they are tried."""
    _import_built_in_formats()
    return sorted(_FORMATS.values(), key=lambda format: -format.priority)


@cache
def _import_built_in_formats() -> None:
    package = import_module("likewise.data.formats")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")


def format_of(path: Path) -> Format | None:
    """The format that an existing path is in, or None."""
    return next((format for format in list_formats() if format.recognises(path)), None)


def _named(name: str) -> Format:
    one_of("format", name, sorted(format.name for format in list_formats()))
    return _FORMATS[name]


def read_manifest(
    source: str | Path | Any, root: str | Path | None = None, *, format: str | None = None
) -> Manifest:
    """Read labeled photos in any registered format as a manifest, without unpacking them.

    Identity names are normalised, see ``likewise.data.labels``; if that changes any, a warning
    says how many.

    Args:
        source: a folder with one sub-folder per identity, a CSV/TSV/Parquet/Arrow table, or a
            source in any other format of ``list_formats()``; or a torch ``Dataset`` or Hugging Face
            dataset, see ``likewise.data.formats.own_dataset.manifest_of``.
        root: the folder that a table's paths start from; by default the table's own folder.
        format: the name of a format of ``list_formats()``, instead of the one that recognises the
            source: ``folder`` for the bare folders of a set that has lists too, or ``cub-boxes``.

    Raises:
        InputError: the path does not exist, is in no known format, or holds no photo; there is no
            format of this name; or a row is invalid, which is then named.

    Example:
        >>> import likewise
        >>> manifest = likewise.read_manifest(photos)
        >>> manifest.identities
        ['anna', 'bob', 'carl']
    """
    if isinstance(source, Manifest):
        return source
    if is_dataset(source):
        return manifest_of(source)
    path = Path(source)
    if not path.exists():
        raise InputError(f"{path}: no such folder or file")
    reader = format_of(path) if format is None else _named(format)
    if reader is None:
        known = "; ".join(format.description for format in list_formats())
        raise InputError(f"{path}: unknown format; supported are: {known}")
    found = reader.read(path, Path(root) if root is not None else None)
    if not isinstance(found, Manifest):
        raise InputError(
            f"format {reader.name!r}: its reader {full_name(reader.read)} returned "
            f"{type(found).__name__}; must return a likewise.Manifest"
        )
    alignment = found.alignment or alignment_of_crops(path, found.root)
    return replace(found, table=with_identities(found.table, path), alignment=alignment)
