"""Zip archives of photos: against Python's own zipfile, and what nobody should send."""

from __future__ import annotations

import io
import pickle
import stat
import struct
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from likewise.data.containers.zip_directory import read_zip_directory
from likewise.data.formats import read_manifest
from likewise.errors import InputError
from tests.data.protocols.hostile import SEEDS, damaged, fuzz, survives

MEMBERS = {
    "set/anna/1.png": b"anna one " * 30,
    "set/anna/2.jpg": bytes(range(256)),
    "set/anna/walk/3.jpg": b"x",
    "set/bob/1.jpg": b"bob one",
}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, **marks: object) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            for key, value in marks.items():
                setattr(entry, key, value)
            archive.writestr(entry, content)
    return stream.getvalue()


def read_all(path: Path) -> dict[str, bytes]:
    manifest = read_manifest(path)
    photos = zip(manifest.names, manifest.photos(), strict=True)
    return {name: photo.read() for name, photo in photos}


def at(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_photos_are_read_in_place(method: int, tmp_path: Path) -> None:
    passed_over = {
        "set/": b"", "set/readme.txt": b"hello", "set/.hidden/1.jpg": b"h", "set/cover.jpg": b"c",
        "__MACOSX/set/anna/._1.png": b"m",
    }  # fmt: skip
    path = at(tmp_path / "photos.zip", zipped({**passed_over, **MEMBERS}, method))
    manifest = read_manifest(path)
    assert manifest.names == ["anna/1.png", "anna/2.jpg", "anna/walk/3.jpg", "bob/1.jpg"]
    assert manifest.table["identity"].to_pylist() == ["anna", "anna", "anna", "bob"]
    assert read_all(path) == {name.removeprefix("set/"): MEMBERS[name] for name in sorted(MEMBERS)}
    assert manifest.table.column_names == ["path", "identity", "place"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_and_its_archive_are_one_manifest(photos: Path, tmp_path: Path) -> None:
    files = {str(p.relative_to(photos)): p.read_bytes() for p in photos.rglob("*.png")}
    folder = read_manifest(photos)
    archive = read_manifest(at(tmp_path / "p.zip", zipped(files)))
    assert archive.fingerprint == folder.fingerprint
    assert archive.labels.tolist() == folder.labels.tolist()


def test_one_identity_keeps_its_name(tmp_path: Path) -> None:
    manifest = read_manifest(at(tmp_path / "a.zip", zipped({"a/b/1.jpg": b"1", "a/b/2.jpg": b"2"})))
    assert manifest.identities == ["b"]


def test_what_python_writes_unseekably_and_wide(tmp_path: Path) -> None:
    """Sizes after the data (a stream), and zip64 fields in every header."""

    class Stream(io.RawIOBase):
        def __init__(self) -> None:
            self.content = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.content += bytes(data)
            return len(bytes(data))

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"by hand"
        for name, content in MEMBERS.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    path = at(tmp_path / "p.zip", bytes(stream.content))
    assert list(read_all(path).values()) == [MEMBERS[name] for name in sorted(MEMBERS)]


def as_zip64(content: bytes) -> bytes:
    """The same archive with its directory's place told in 64 bits."""
    end = content.rindex(b"PK\x05\x06")
    count, size, start = struct.unpack("<H2L", content[end + 10 : end + 20])
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
    return content[:end] + wide + locator + last


def test_a_zip64_directory(tmp_path: Path) -> None:
    content = as_zip64(zipped(MEMBERS))
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == list(MEMBERS)
    assert set(read_all(at(tmp_path / "p.zip", content)).values()) == set(MEMBERS.values())


def test_threads_and_processes_share_a_store(tmp_path: Path) -> None:
    manifest = read_manifest(at(tmp_path / "p.zip", zipped(MEMBERS)))
    store = pickle.loads(pickle.dumps(manifest.store))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(store.read, list(range(4)) * 50))
    assert found == [MEMBERS[name] for name in sorted(MEMBERS)] * 50


@pytest.mark.parametrize(
    "name",
    ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "..\\evil.jpg", "C:\\evil.jpg",
     "a/../b.jpg", "\\\\host\\evil.jpg"],
)  # fmt: skip
def test_names_that_lead_out(name: str, tmp_path: Path) -> None:
    content = zipped({**MEMBERS, name: b"evil"})
    with pytest.raises(InputError, match="p.zip: member 5: .* points outside the archive: refused"):
        read_manifest(at(tmp_path / "p.zip", content))


def patched(content: bytes, name: str, place: int, form: str, value: int) -> bytes:
    """The directory's entry of a member with one of its numbers overwritten."""
    start = content.rindex(name.encode()) - 46
    assert content[start : start + 4] == b"PK\x01\x02"
    found = bytearray(content)
    struct.pack_into(form, found, start + place, value)
    return bytes(found)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a zip archive, or damaged or cut short"),
        (b"PK\x05\x06" + bytes(18), "no photos"),
        (zipped({"readme.txt": b"x"}), "no photos"),
        (zipped({"1.jpg": b"x"}), "the photos lie directly"),
        (zipped(MEMBERS, external_attr=(stat.S_IFLNK | 0o777) << 16), "'set/anna/1.png' is a link"),
        (zipped(MEMBERS, zipfile.ZIP_BZIP2), "is compressed by bzip2"),
        (patched(zipped(MEMBERS), "set/bob/1.jpg", 8, "<H", 1), "'set/bob/1.jpg' is encrypted"),
        (patched(zipped(MEMBERS), "set/bob/1.jpg", 24, "<L", 2**31), "claims 2,147,483,648 bytes"),
        (patched(zipped(MEMBERS), "set/bob/1.jpg", 42, "<L", 0), "overlaps what follows"),
        (patched(zipped(MEMBERS), "set/bob/1.jpg", 20, "<L", 10**6), "overlaps what follows"),
        (patched(zipped(MEMBERS), "set/bob/1.jpg", 42, "<L", 2**31), "overlaps what follows"),
        (patched(zipped(MEMBERS), "set/bob/1.jpg", 0, "<L", 7), "or damaged or cut short"),
        (patched(zipped(MEMBERS), "set/bob/1.jpg", 24, "<L", 2**32 - 1), "claims 4,294,967,295"),
        (patched(zipped(MEMBERS), "set/bob/1.jpg", 34, "<H", 1), "one part of an archive in"),
        (zipped(MEMBERS)[:-18] + b"\xff" * 18, "not a zip archive"),
        (zipped(MEMBERS).replace(b"set/bob/1.jpg", b"set/anna/2.jp"), ""),
    ],
)  # fmt: skip
def test_hostile_archives(content: bytes, problem: str, tmp_path: Path) -> None:
    path = at(tmp_path / "p.zip", content)
    if not problem:
        assert read_zip_directory(path).names[-1] == "set/anna/2.jp"
        return
    with pytest.raises(InputError, match=problem):
        read_manifest(path)


def test_two_members_of_one_name(tmp_path: Path) -> None:
    content = zipped({"a/1.jpg": b"1", "a/2.jpg": b"2", "b/1.jpg": b"3"})
    with pytest.raises(InputError, match="two members are called 'a/1.jpg'"):
        read_manifest(at(tmp_path / "p.zip", content.replace(b"a/2.jpg", b"a/1.jpg")))


def test_a_directory_that_claims_too_much(tmp_path: Path) -> None:
    content = bytearray(as_zip64(zipped(MEMBERS)))
    start = content.rindex(b"PK\x06\x06")
    for size in (2**31, 2**40, 2**63):  # refused before anything is allocated
        struct.pack_into("<Q", content, start + 40, size)
        with pytest.raises(InputError, match=r"p.zip: (a directory of|not a zip archive)"):
            read_manifest(at(tmp_path / "p.zip", bytes(content)))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """What it says it holds is refused by its size; what it does not say is never made."""
    large = b"\0" * (64 * 2**20)
    content = zipped({"a/1.jpg": large})
    lying = patched(content, "a/1.jpg", 24, "<L", 1000)
    path = at(tmp_path / "bomb.zip", lying)
    manifest = read_manifest(path)
    tracemalloc.start()
    with pytest.raises(
        InputError, match="bomb.zip: the member at byte 0 is damaged: its size is not 1000 bytes"
    ):
        manifest.photo(0).read()
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_damage_inside_a_member(tmp_path: Path) -> None:
    content = zipped({"a/1.jpg": b"stored"}, zipfile.ZIP_STORED)
    for old, new, problem in (
        (b"stored", b"sTored", "its checksum is wrong"),
        (b"PK\x03\x04", b"PK\x03\x05", "no member begins there"),
    ):
        manifest = read_manifest(at(tmp_path / "p.zip", content.replace(old, new)))
        with pytest.raises(InputError, match=problem):
            manifest.photo(0).read()


def read_every(path: Path) -> None:
    read_all(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_cut_short_at_every_byte(method: int, tmp_path: Path) -> None:
    content = zipped(MEMBERS, method)
    for size in range(len(content)):
        assert not survives(read_every, tmp_path / "p.zip", content[:size])


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEEDS)
def test_damaged_archives(tmp_path: Path, seed: int) -> None:
    content = [zipped(MEMBERS), as_zip64(zipped(MEMBERS, zipfile.ZIP_STORED))][seed % 2]
    survives(read_every, tmp_path / "p.zip", damaged(content, np.random.default_rng(seed)))


@pytest.mark.slow
def test_ten_thousand_damaged_archives(tmp_path: Path) -> None:
    fuzz(read_every, tmp_path / "p.zip", zipped(MEMBERS), 10_000)
    fuzz(read_every, tmp_path / "p.zip", as_zip64(zipped(MEMBERS)), 10_000)
