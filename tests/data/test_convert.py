"""Conversions: nothing is lost on any way round, nor by a kill at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from likewise.data import convert as module
from likewise.data.convert import convert
from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.data.store import StoredPhoto
from likewise.data.writers.conversion_journal import JOURNAL
from likewise.errors import InputError, LikewiseError
from tests.conftest import make_photos

FORMATS = ["folder", "parquet", "recordio", "tar"]
NAMED = [name for name in FORMATS if name != "recordio"]  # whose files hold names


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def visible(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if not name.startswith(".")}


def people(manifest: Manifest) -> list[list[bytes]]:
    """The photos of each person, whatever the names."""
    found: dict[int, list[bytes]] = {}
    for label, photo in zip(manifest.labels.tolist(), manifest.photos(), strict=True):
        data = photo.read() if isinstance(photo, StoredPhoto) else photo.read_bytes()
        found.setdefault(label, []).append(data)
    return sorted(sorted(data) for data in found.values())


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Photos with names of every kind; a broken one, an empty one, and two that are equal."""
    folder = make_photos(tmp_path / "odd", ("anna", "Zoë 李", "n" * 200), each=3)
    (folder / "anna" / "broken.jpg").write_text("no photo")
    (folder / "anna" / "empty.jpg").touch()
    (folder / "anna" / ("é" * 120 + ".PNG")).write_bytes(b"long")
    (folder / "anna" / "again.png").write_bytes((folder / "anna" / "0.png").read_bytes())
    (folder / "anna" / "sub" / "sub").mkdir(parents=True)
    (folder / "anna" / "sub" / "sub" / "0.png").write_bytes(b"deep")
    return folder


@pytest.mark.parametrize("to", FORMATS)
def test_every_format_keeps_photos_and_people(to: str, odd: Path, tmp_path: Path) -> None:
    done = convert(odd, tmp_path / "out", to, check=True)
    assert (done.photos, done.identities, done.verified, done.broken) == (14, 3, True, 4)
    assert people(read_manifest(tmp_path / "out")) == people(read_manifest(odd))
    again = convert(odd, tmp_path / "again", to)
    assert again.sha256 == done.sha256
    assert visible(tmp_path / "again") == visible(tmp_path / "out")


@pytest.mark.parametrize("way", [("tar", "parquet"), ("parquet", "tar"), ("folder", "tar")])
def test_round_and_back_to_the_same_folder(way: tuple[str, ...], odd: Path, tmp_path: Path) -> None:
    source = odd
    for number, to in enumerate((*way, "folder")):
        convert(source, tmp_path / str(number), to)
        source = tmp_path / str(number)
    assert visible(source) == files(odd)


@pytest.mark.parametrize("to", FORMATS)
def test_one_photo(to: str, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "one", ("anna",), each=1)
    assert convert(photos, tmp_path / "out", to).photos == 1
    assert people(read_manifest(tmp_path / "out")) == people(read_manifest(photos))


def test_names_in_full_and_rows_in_any_order(photos: Path, tmp_path: Path) -> None:
    rows = [("bob", 1), ("anna", 0), ("bob", 0), ("carl", 2)]
    table = tmp_path / "t.csv"
    lines = [f"{(photos / who / f'{n}.png').absolute()},{who}" for who, n in rows]
    table.write_text("\n".join(["path,identity", *lines]))
    for to in NAMED:
        convert(table, tmp_path / to, to, root=photos)
        found = read_manifest(tmp_path / to).names
        assert sorted(found) == sorted(f"{who}/{n}.png" for who, n in rows)
    assert found == [f"{who}/{n}.png" for who, n in rows]


class Killed(BaseException):
    pass


def dies_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the process die at its n-th write, rename or flush."""
    left = [calls]
    for owner, name in (
        (os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "write_bytes"), (Path, "mkdir"),
    ):  # fmt: skip
        real = getattr(owner, name)

        def dying(*args: object, real: object = real, **keywords: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*args, **keywords)

        monkeypatch.setattr(owner, name, dying)
    yield


@pytest.mark.parametrize("to", FORMATS)
def test_a_death_at_any_step_is_resumed_to_the_same_bytes(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "photos", people=3, each=3)
    monkeypatch.setattr(module, "CHECKPOINT_PHOTOS", 2)
    monkeypatch.setattr(os, "sync", lambda: None)
    convert(photos, tmp_path / "whole", to)
    whole = files(tmp_path / "whole")
    for steps in (*range(24), *range(24, 120, 7)):
        out = tmp_path / f"out{steps}"
        with monkeypatch.context() as patch:
            for _ in dies_after(steps, patch):
                try:
                    convert(photos, out, to)
                    finished = True
                except Killed:
                    finished = False
        convert(photos, out, to, resume=True)
        assert files(out) == whole, steps
        if finished:
            break


KILLED = """
import sys
from likewise.data import convert
from likewise.cli.app import main
convert.CHECKPOINT_PHOTOS = 40
main(sys.argv[1:])
"""


@pytest.mark.parametrize("to", FORMATS)
def test_sigkill_and_resume_end_in_the_same_bytes(to: str, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    rng = random.Random(0)
    for number in range(500):
        folder = photos / f"p{number % 30:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(rng.randbytes(3000))
    command = [sys.executable, "-c", KILLED, "data", "convert", str(photos)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, str(whole), "--to", to], check=True, env=environment)
    kills = 0
    for target in (1, 280):
        process = subprocess.Popen(
            [*command, str(killed), "--to", to, "--resume"], env=environment,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            journal = killed / JOURNAL
            if journal.exists() and json.loads(journal.read_bytes())["photos"] >= target:
                process.send_signal(signal.SIGKILL)
                break
        kills += process.wait() == -signal.SIGKILL
    assert kills
    out = subprocess.run(
        [*command, str(killed), "--to", to, "--resume", "--json"],
        check=True, env=environment, capture_output=True,
    )  # fmt: skip
    assert json.loads(out.stdout)["verified"]
    assert files(killed) == files(whole)


def test_a_finished_one_is_not_written_again(photos: Path, tmp_path: Path) -> None:
    first = convert(photos, tmp_path / "out", "tar")
    again = convert(photos, tmp_path / "out", "tar", resume=True)
    assert (again.resumed_from, again.sha256) == (12, first.sha256)


def test_the_checksum_is_as_described(photos: Path, tmp_path: Path) -> None:
    told = b""
    for photo in read_manifest(photos).photos():
        assert isinstance(photo, Path)
        told = hashlib.sha256(told + hashlib.sha256(photo.read_bytes()).digest()).digest()
    assert convert(photos, tmp_path / "out", "folder").sha256 == told.hex()


def test_wrong_use(photos: Path, tmp_path: Path) -> None:
    convert(photos, tmp_path / "done", "tar")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "file").touch()
    other = make_photos(tmp_path / "other", people=2)
    cases = [
        (photos, "done", "tar", False, "continue with --resume"),
        (photos, "done", "parquet", True, "started with --to tar"),
        (other, "done", "tar", True, "from other photos"),
        (photos, "full", "tar", False, "no conversion"),
        (photos, "full", "tar", True, "no conversion"),
        (photos, "file", "tar", False, "is a file"),
        (photos, "photos/inside", "tar", False, "lies in the source"),
        (photos, "new", "zip", False, "choose from: folder"),
        (tmp_path / "none", "new", "tar", False, "no such folder"),
    ]
    for source, out, to, resume, problem in cases:
        with pytest.raises(InputError, match=problem):
            convert(source, tmp_path / out, to, resume=resume)
    assert not (tmp_path / "new").exists()
    journal = json.loads((tmp_path / "done" / JOURNAL).read_text())
    for spoiled in ([], {}, {**journal, "photos": "many"}, {**journal, "more": 1}):
        (tmp_path / "done" / JOURNAL).write_text(json.dumps(spoiled))
        with pytest.raises(InputError, match="damaged; start the conversion again"):
            convert(photos, tmp_path / "done", "tar", resume=True)


def test_verification_sees_a_changed_photo_and_a_changed_person(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from likewise.data.writers.tar import TarShardWriter

    real = TarShardWriter.write
    for number, (spoil, problem) in enumerate(
        {
            "data": "bob/1.png: is not what was written",
            "identity": "changed their identity",
        }.items()
    ):

        def write(
            self: TarShardWriter, name: str, identity: str, data: bytes, spoil: str = spoil
        ) -> None:
            if name == "bob/1.png":
                data = data[:-1] + b"?" if spoil == "data" else data
                identity = "carl" if spoil == "identity" else identity
            real(self, name, identity, data)

        monkeypatch.setattr(TarShardWriter, "write", write)
        with pytest.raises(LikewiseError, match=problem):
            convert(photos, tmp_path / str(number), "tar")
        assert convert(photos, tmp_path / f"{number}b", "tar", verify=False).verified is False


def test_a_photo_that_is_gone_stops_it_and_can_be_put_back(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("path,identity\nanna/0.png,anna\nanna/9.png,anna\n")
    with pytest.raises(InputError, match=r"anna/9\.png: no such file"):
        convert(table, tmp_path / "out", "tar", root=photos)
    (photos / "anna" / "9.png").write_bytes(b"back")
    assert convert(table, tmp_path / "out", "tar", root=photos, resume=True).photos == 2


@pytest.mark.parametrize("to", FORMATS)
def test_a_full_disk_is_one_line_and_resumed_when_there_is_room(to: str, tmp_path: Path) -> None:
    for number in range(4):
        folder = tmp_path / "photos" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(random.Random(number).randbytes(100_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))  # no file grows past it
    try:
        with pytest.raises(LikewiseError, match="cannot write") as caught:
            convert(tmp_path / "photos", tmp_path / "out", to)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert convert(tmp_path / "photos", tmp_path / "out", to, resume=True).photos == 4
