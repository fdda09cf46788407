"""A format from outside the package: registered, read, and written by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import likewise
from likewise.cli.app import main
from likewise.data.formats import (
    format_of,
    has_suffix,
    list_formats,
    read_manifest,
    register_format,
)
from likewise.data.formats import registry as formats
from likewise.data.writers import list_writers, register_writer
from likewise.data.writers import registry as writers
from likewise.errors import InputError

LIST, PHOTOS = "list.json", "photos.blob"


class BlobStore:
    """Photos one after another in a file; ``place`` is the row of a photo in the list."""

    def __init__(self, path: Path, ends: list[int]) -> None:
        self.path, self.ends = path, ends

    def read(self, place: int) -> bytes:
        start = self.ends[place - 1] if place else 0
        return self.path.read_bytes()[start : self.ends[place]]


class BlobWriter:
    """Writes ``photos.blob`` and ``list.json``; holds the list in memory."""

    def __init__(self, out: Path, state: dict[str, Any] | None = None) -> None:
        self.out = out
        self.rows: list[list[Any]] = state["rows"] if state else []
        (out / PHOTOS).touch()
        with (out / PHOTOS).open("r+b") as stream:
            stream.truncate(self.rows[-1][2] if self.rows else 0)

    def write(self, name: str, identity: str, data: bytes) -> None:
        with (self.out / PHOTOS).open("ab") as stream:
            stream.write(data)
            self.rows.append([name, identity, stream.tell()])

    def state(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def finish(self) -> None:
        (self.out / LIST).write_text(json.dumps(self.rows))


def read_blob(path: Path, root: Path | None = None) -> likewise.Manifest:
    names, identities, ends = zip(*json.loads((path / LIST).read_text()), strict=True)
    columns = {"path": names, "identity": identities, "place": range(len(names))}
    store = BlobStore(path / PHOTOS, list(ends))
    return likewise.Manifest(pa.table({k: list(v) for k, v in columns.items()}), path, store)


@pytest.fixture
def blob() -> Iterator[None]:
    register_format("blob", "a folder with list.json", recognises=lambda p: (p / LIST).is_file())(
        read_blob
    )
    register_writer("blob")(BlobWriter)
    yield
    del formats._FORMATS["blob"], writers._WRITERS["blob"]


@pytest.mark.usefixtures("blob")
def test_a_format_from_outside_is_read_and_written(photos: Path, tmp_path: Path) -> None:
    assert "blob" in list_writers()
    names = [format.name for format in list_formats()]
    assert names.index("blob") < names.index("recordio")  # before every built-in format
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as done:
        main(["data", "convert", str(photos), str(out), "--to", "blob"])
    assert not done.value.code
    source, found = read_manifest(photos), read_manifest(out)
    assert (found.names, found.identities) == (source.names, source.identities)
    for row in range(len(source)):
        assert found.photo(row).read() == source.photo(row).read_bytes()


@pytest.mark.usefixtures("blob")
def test_a_name_is_registered_once() -> None:
    register_format("blob", "again", recognises=Path.is_file)(read_blob)  # a module run again
    list_formats()

    def other(path: Path, root: Path | None = None) -> likewise.Manifest:
        return read_blob(path, root)

    other.__module__ = "elsewhere"
    with pytest.raises(InputError, match=r"'zip': already registered by likewise.data.formats.zip"):
        register_format("zip", "a zip", recognises=Path.is_file)(other)
    list_writers()
    with pytest.raises(InputError, match=r"'tar': already registered by likewise.data.writers.tar"):
        register_writer("tar")(BlobWriter)


@pytest.mark.parametrize("kind", ["formats", "writers"])
def test_a_built_in_name_is_refused_before_any_format_was_used(kind: str) -> None:
    """In a new process: what is wrong is the name of the user, not that of the built-in format."""
    code = {
        "formats": "register_format('zip', '', recognises=bool)(lambda path, root: None)",
        "writers": "register_writer('tar')(type('Mine', (), {}))",
    }[kind]
    done = subprocess.run(
        [sys.executable, "-c", f"from likewise.data.{kind} import *\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"already registered by likewise.data.{kind}." in done.stderr


@pytest.mark.usefixtures("blob")
def test_two_formats_of_one_module_need_two_names() -> None:
    def another(path: Path, root: Path | None = None) -> likewise.Manifest:
        return read_blob(path, root)

    with pytest.raises(InputError, match=r"'blob': already registered by .*\.read_blob; choose"):
        register_format("blob", "another", recognises=Path.is_file)(another)
    with pytest.raises(InputError, match=r"'blob': already registered by .*\.BlobWriter; choose"):
        register_writer("blob")(type("Another", (BlobWriter,), {}))


def test_a_reader_that_returns_no_manifest_is_named(tmp_path: Path) -> None:
    def nothing(path: Path, root: Path | None = None) -> likewise.Manifest:
        return None  # type: ignore[return-value]  # the mistake under test

    (tmp_path / "x.nothing").touch()
    register_format("nothing", "", recognises=has_suffix(".nothing"))(nothing)
    try:
        with pytest.raises(InputError, match=r"'nothing': its reader .*nothing returned NoneType"):
            read_manifest(tmp_path / "x.nothing")
    finally:
        del formats._FORMATS["nothing"]


@pytest.mark.parametrize("places", [None, ["0:5", "5:9"]])
def test_a_store_needs_places_that_are_whole_numbers(places: list[str] | None) -> None:
    columns = {"path": ["a", "b"], "identity": ["anna", "bob"]}
    table = pa.table(columns if places is None else {**columns, "place": places})
    with pytest.raises(InputError, match=r"set\.blob: column place: (absent|string); must hold"):
        likewise.Manifest(table, Path("set.blob"), BlobStore(Path("set.blob"), [0, 0]))


def test_particular_formats_are_tried_before_general_ones(tmp_path: Path) -> None:
    names = [format.name for format in list_formats()]
    assert names[-1] == "folder"
    assert names.index("msceleb") < names.index("table")
    assert names.index("parquet") < names.index("table")
    (tmp_path / "train.rec").touch()
    found = format_of(tmp_path)
    assert found is not None
    assert found.name == "recordio"
    (tmp_path / "what.xyz").touch()
    with pytest.raises(InputError, match="unknown format; supported are: .*a folder with one"):
        read_manifest(tmp_path / "what.xyz")
