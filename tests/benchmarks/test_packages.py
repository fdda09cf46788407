"""Packages are fetched with their own clients, and what is missing is named in one line."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import pytest
from benchmarks.sets import Split, list_sets, load_set, registry
from benchmarks.sets.__main__ import main
from benchmarks.sets.packages import debian_tree, npm_files
from benchmarks.sets.split import MissingData

from likewise.data.formats import read_manifest
from likewise.errors import InputError
from tests.conftest import make_photos


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(file: Path, code: str) -> None:
    file.write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
    file.chmod(0o755)


def test_the_files_of_a_folder_of_an_npm_package(tmp_path: Path, path: Path) -> None:
    archive = tmp_path / "made.tgz"
    with tarfile.open(archive, "w:gz") as opened:
        for name, content in (("p/a/1.png", b"one"), ("p/a/2.png", b"two"), ("p/b/3.png", b"no")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    copy = f"import shutil; shutil.copy({str(archive)!r}, sys.argv[-1] + '/x-1.tgz')"
    program(path / "npm", f"{copy}; print('a notice'); print('x-1.tgz')")
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    found = list(npm_files("x@1", "p/a/", fetched))
    assert found == [("1.png", b"one"), ("2.png", b"two")]
    assert not list(fetched.iterdir())


def test_a_missing_client_and_an_absent_package_are_named(tmp_path: Path, path: Path) -> None:
    with pytest.raises(MissingData, match="npm package x@1: npm is not installed; install npm"):
        list(npm_files("x@1", "", tmp_path))
    with pytest.raises(MissingData, match="Debian packages a, b: apt-get is not installed"):
        debian_tree(["a", "b"], tmp_path)
    program(path / "npm", "print('npm error 404', file=sys.stderr); sys.exit(1)")
    with pytest.raises(MissingData, match="npm package x@1: npm error 404; is the package index"):
        list(npm_files("x@1", "", tmp_path))


def test_an_unknown_set_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(InputError, match="faces: no such set; there are orl, .*fonts"):
        load_set("faces")


def test_the_command_prints_a_table_and_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [read_manifest(make_photos(tmp_path / name, (name,), each=3)) for name in ("a", "b")]

    def absent() -> Split:
        raise MissingData("there: install it")

    monkeypatch.setattr(registry, "SETS", {"mine": lambda: Split("mine", *parts), "there": absent})
    assert list_sets() == ["mine", "there"]
    monkeypatch.setattr(sys, "argv", ["sets"])
    assert main() == 1
    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines()]
    assert rows[1:] == [
        ["mine", part, "1", "3", "3", "40×40", "colour"] for part in ("train", "test")
    ]
    assert printed.err.strip() == "error: there: install it"
    monkeypatch.setattr(sys, "argv", ["sets", "faces"])
    assert main() == 2
