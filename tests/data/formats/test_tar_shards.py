"""Tar shards against Python's own tarfile, which wrote or reads each of them."""

from __future__ import annotations

import io
import json
import logging
import pickle
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.data.formats import read_manifest, tar_shards
from likewise.data.manifest import Manifest
from likewise.data.store import StoredPhoto
from likewise.data.writers.tar import TarShardWriter
from likewise.errors import InputError
from tests.data.formats.samples import PHOTOS, Photo, tar_of, write_tar


def contents(manifest: Manifest) -> list[Photo]:
    rows = []
    for row, photo in enumerate(manifest.photos()):
        assert isinstance(photo, StoredPhoto)
        table = manifest.table
        rows.append((table["path"][row].as_py(), table["identity"][row].as_py(), photo.read()))
    return rows


def test_what_is_written_is_read_and_tarfile_agrees(tmp_path: Path) -> None:
    first = write_tar(tmp_path / "shards")
    manifest = read_manifest(tmp_path / "shards")
    assert contents(manifest) == PHOTOS
    assert contents(pickle.loads(pickle.dumps(manifest))) == PHOTOS
    with tarfile.open(first) as archive:
        members = archive.getmembers()
        assert [m.name for m in members[:3]] == [f"{0:09d}.png", f"{0:09d}.cls", f"{0:09d}.json"]
        assert {(m.mtime, m.uid, m.gid, m.uname) for m in members} == {(0, 0, 0, "")}
        taken = archive.extractfile(members[6])
        assert taken is not None
        assert taken.read() == PHOTOS[2][2]
        classes = [archive.extractfile(m).read() for m in members[1::3]]
    assert classes == [b"0", b"0", b"1", b"2", b"2"]
    lines = (tmp_path / "shards" / "identities.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == ["anna", "Zoë 李", "bob"]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=300)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(NAMES, NAMES, st.binary(max_size=1500)), min_size=1, max_size=9))
def test_any_names_and_bytes_survive(
    tmp_path_factory: pytest.TempPathFactory, photos: list[Photo]
) -> None:
    photos = [(f"{n}-{name}", who, data) for n, (name, who, data) in enumerate(photos)]
    out = tmp_path_factory.mktemp("shards")
    writer = TarShardWriter(out, shard_bytes=4000)
    for photo in photos:
        writer.write(*photo)
    writer.finish()
    assert contents(tar_shards.read(out)) == photos
    sizes = [shard.stat().st_size for shard in out.glob("*.tar")]
    assert len(sizes) == 1 or max(sizes) <= 20_480  # a shard is filled up to 10 KiB


def test_long_and_foreign_names_of_every_dialect(tmp_path: Path) -> None:
    members = [("anna/" + "é" * 120 + ".png", b"1"), ("anna/" + "x/" * 90 + "y.jpg", b"2")]
    for dialect in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        path = tmp_path / f"{dialect}.tar"
        path.write_bytes(tar_of(members, format=dialect))
        assert contents(read_manifest(path)) == [(n, "anna", d) for n, d in members]
    short = [*members[1:], ("bob/0.jpg", b"3")]
    path.write_bytes(tar_of(short, format=tarfile.USTAR_FORMAT))
    assert contents(read_manifest(path)) == [(n, n.partition("/")[0], d) for n, d in short]


@pytest.mark.parametrize(
    ("sidecars", "identity"),
    [
        ([("0.cls", b"17\n")], "17"),
        ([("0.txt", b" Zo\xc3\xab ")], "Zoë"),
        ([("0.json", b'{"identity": 5}')], "5"),
        ([("0.cls", b"17"), ("0.json", b'{"identity": "anna"}')], "anna"),
        ([("0.cls", b"17"), ("0.txt", b"a caption\nof two lines")], "17"),
        ([("0.cls", b"17"), ("0.json", b"[1]")], "17"),
    ],
)
def test_whom_a_sidecar_names(
    sidecars: list[tuple[str, bytes]], identity: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.tar"
    for members in ([("0.jpg", b"x"), *sidecars], [*sidecars, ("0.jpg", b"x")]):
        path.write_bytes(tar_of(members))
        assert contents(read_manifest(path)) == [("0.jpg", identity, b"x")]


def test_a_plain_archive_of_folders(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(
        tar_of([("./anna/0.jpg", b"1"), ("./bob/more/0.b.jpg", b"2"), ("./bob/._0.jpg", b"no"),
                ("./notes.txt", b"anna"), ("__MACOSX/x/0.jpg", b"no")])
    )  # fmt: skip
    assert contents(read_manifest(path)) == [
        ("anna/0.jpg", "anna", b"1"),
        ("bob/more/0.b.jpg", "bob", b"2"),
    ]
    path.write_bytes(tar_of([("faces/anna/0.jpg", b"1"), ("faces/bob/0.jpg", b"2")]))
    assert contents(read_manifest(path)) == [
        ("anna/0.jpg", "anna", b"1"),
        ("bob/0.jpg", "bob", b"2"),
    ]


def test_names_that_two_shards_share_are_told_apart(tmp_path: Path) -> None:
    for shard in "ab":
        (tmp_path / f"{shard}.tar").write_bytes(tar_of([("0.jpg", b"x"), ("0.cls", b"1")]))
    assert read_manifest(tmp_path).names == ["a/0.jpg", "b/0.jpg"]


def test_links_and_devices_are_passed_over_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
                                       tarfile.FIFOTYPE, tarfile.DIRTYPE)):  # fmt: skip
            info = tarfile.TarInfo(f"anna/{number}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("anna/real.jpg")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    (tmp_path / "a.tar").write_bytes(stream.getvalue())
    with caplog.at_level(logging.WARNING):
        assert read_manifest(tmp_path / "a.tar").names == ["anna/real.jpg"]
    assert "4 members left out, such as 'anna/0.jpg' (a link)" in caplog.text


def lying(size: bytes) -> bytes:
    """An archive whose first header tells another size, with a good checksum."""
    data = bytearray(tar_of([("anna/0.jpg", b"x" * 100)], format=tarfile.USTAR_FORMAT))
    data[124:136] = size
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (tar_of([("../a/0.jpg", b"")]), "points outside"),
        (tar_of([("a/../../0.jpg", b"")]), "points outside"),
        (tar_of([("/etc/0.jpg", b"")]), "points outside"),
        (
            tar_of([("0.jpg", b""), ("0.json", b'{"identity": "a", "name": "../x"}')]),
            "points outside",
        ),
        (tar_of([("0.jpg", b""), ("0.json", b'{"identity": "\\ud800"}')]), "not valid json"),
        (tar_of([("0.jpg", b""), ("0.json", b"[" * 100_000)]), "not valid json"),
        (tar_of([("0.jpg", b""), ("0.cls", b"\xff")]), "not valid cls"),
        (tar_of([("0.jpg", b"")]), "has no identity"),
        (tar_of([("anna/notes.md", b"")]), "no photos"),
        (tar_of([]), "no photos"),
        (b"", "cut short"),
        (b"\x1f\x8b" + bytes(1022), "decompress it first"),
        (lying(b"77777777777\0"), "false size"),
        (lying(b"\x80" + b"\xff" * 11), "false size"),
        (lying(b"\xff" * 12), "not a number"),
        (lying(b"-1         \0"), "not a number"),
    ],
)
def test_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        read_manifest(path)
    assert "a.tar" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_archive_that_changes_under_its_index(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "s")
    manifest = read_manifest(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="shard-000000"):
        contents(manifest)
    assert manifest.store is not None
    for place in (-1, 1 << 40, 1 << 62):
        with pytest.raises(InputError):
            manifest.store.read(place)
