"""What of a folder is read, and that everything else is counted and named."""

from __future__ import annotations

import inspect
import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from likewise.data.formats import read_manifest
from likewise.data.formats.photo_filter import PhotoFilter
from likewise.data.images import decode
from likewise.errors import InputError
from tests.conftest import draw_person

KINDS = {"JPEG": "jpg", "PNG": "png", "BMP": "bmp", "GIF": "gif", "TIFF": "tif", "WEBP": "webp",
         "PPM": "ppm", "JPEG2000": "jp2"}  # fmt: skip


def photo(kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    draw_person(1, 1).save(buffer, kind)
    return buffer.getvalue()


def put(folder: Path, name: str, content: bytes = b"") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or photo())


@pytest.fixture
def people(tmp_path: Path) -> Path:
    for name in ("anna/1.jpg", "bob/1.jpg"):
        put(tmp_path / "set", name)
    return tmp_path / "set"


@pytest.mark.parametrize("name", ["1.jfif", "1.JFIF", "1.jif", "1.dib", "1.apng", "1.mpo"])
def test_every_ending_of_a_photo_is_known(name: str, people: Path) -> None:
    put(people, f"anna/{name}", b"not even opened")
    assert f"anna/{name}" in read_manifest(people).names


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["1", "000123", "mrs.smith", "photo.001"])
def test_the_content_tells_where_the_name_does_not(kind: str, name: str, people: Path) -> None:
    put(people, f"carl/{name}", photo(kind))
    manifest = read_manifest(people)
    assert manifest.names[-1] == f"carl/{name}"
    assert decode(manifest.photo(len(manifest) - 1)).size == (40, 40)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def archive_of(folder: Path, kind: str) -> Path:
    path = folder.with_suffix(f".{kind}")
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted(files(folder).items()):
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w") as tar:
        for name, content in sorted(files(folder).items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_what_is_left_out_is_counted_and_named_in_one_line(
    kind: str, people: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(people, "anna/000123", photo("PNG"))
    put(people, "anna/notes.pdf", b"text")
    put(people, "bob/notes.pdf", b"text")
    put(people, "bob/raw.cr2", photo("TIFF"))  # a camera's own, though it begins as a TIFF does
    put(people, "bob/readme", b"BM is how a bitmap begins")
    put(people, "bob/.thumb.jpg")
    put(people, "bob/._1.jpg", b"AppleDouble")
    put(people, "bob/Thumbs.db", b"x")
    system_folders = ("@eaDir/1.jpg", "#recycle", "$RECYCLE.BIN", "RECYCLER", "@tmp", "FOUND.000")
    for system in (*system_folders, "Network Trash Folder", "__MACOSX/anna"):
        put(people, f"{system}/SYNOPHOTO_THUMB_M.jpg")
    put(people, "anna/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg")
    manifest = read_manifest(people if kind == "folder" else archive_of(people, kind))
    assert manifest.names == ["anna/000123", "anna/1.jpg", "bob/1.jpg"]
    assert manifest.identities == ["anna", "bob"]
    (told,) = [record.getMessage() for record in caplog.records]
    for part in (
        "of the system (8, such as #recycle)",
        ".pdf files (2, such as anna/notes.pdf)",
        ".cr2 files (1, bob/raw.cr2)",
        "files without a suffix (1, bob/readme)",
        "hidden (1, bob/.thumb.jpg)",
    ):
        assert part in told, told
    assert "._1" not in told
    assert "Thumbs" not in told


def test_photos_beside_the_folders_and_folders_without_photos_are_told(
    people: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(people, "cover.jpg")
    put(people, "dora/cv.pdf", b"text")
    assert len(read_manifest(people)) == 2
    assert "photos outside the identities' folders (1, cover.jpg)" in caplog.text
    assert "folders without photos (1, dora)" in caplog.text


def test_a_set_of_other_files_alone_says_which(people: Path) -> None:
    for path in people.rglob("*.jpg"):
        path.rename(path.with_suffix(".cr2"))
    with pytest.raises(InputError, match=r"no photos in it; left out: .cr2 files \(2, such"):
        read_manifest(people)


def test_linked_folders_are_followed_and_never_twice(
    people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "elsewhere", "dora/1.jpg")
    (tmp_path / "elsewhere" / "dora" / "up").symlink_to(tmp_path)
    (people / "anna" / "more").symlink_to(tmp_path / "elsewhere" / "dora")
    (people / "anna" / "loop").symlink_to(people)
    (people / "bob" / "gone").symlink_to(tmp_path / "nowhere")
    (people / "bob" / "self").symlink_to(people / "bob" / "self")
    (people / "zoe").symlink_to(people / "anna")
    manifest = read_manifest(people)
    assert manifest.names == ["anna/1.jpg", "anna/more/1.jpg", "bob/1.jpg"]
    assert "links to folders that are read anyway" in caplog.text
    assert "broken links, pipes or devices (2, such as bob/gone)" in caplog.text


def test_a_pipe_called_photo_does_not_hang(people: Path) -> None:
    os.mkfifo(people / "anna" / "pipe.jpg")
    os.mkfifo(people / "anna" / "pipe")
    assert len(read_manifest(people)) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="a file system that keeps any bytes as a name")
def test_names_that_are_no_utf8_are_left_out_by_name(
    people: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = os.fsencode(people)
    for name in (b"anna/caf\xe9.jpg", b"jos\xe9/1.jpg"):
        (people / os.fsdecode(name)).parent.mkdir(exist_ok=True)
        with open(os.path.join(raw, name), "wb") as stream:  # noqa: PTH118, PTH123  # bytes
            stream.write(photo())
    assert read_manifest(people).names == ["anna/1.jpg", "bob/1.jpg"]
    assert "with a name that is not UTF-8 (2, such as anna/caf\\xe9.jpg)" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens everything")
def test_a_folder_that_cannot_be_opened_is_told(
    people: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (people / "bob").chmod(0)
    assert read_manifest(people).names == ["anna/1.jpg"]
    (people / "bob").chmod(0o700)
    assert "folders that cannot be opened (1, bob)" in caplog.text


def test_deeper_than_python_calls(people: Path, caplog: pytest.LogCaptureFixture) -> None:
    deep = people / "anna"
    for _ in range(400):
        deep = deep / "d"
        deep.mkdir()
    read_manifest(people)  # whatever is imported late is there
    caplog.clear()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 150)
    try:
        assert len(read_manifest(people)) == 2
    finally:
        sys.setrecursionlimit(limit)
    assert caplog.records[0].getMessage().endswith("folders without photos (1, anna/d)")


def test_a_name_of_two_lines_is_told_in_one(people: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(people, "anna/two\nlines.pdf", b"text")
    read_manifest(people)
    assert "(1, anna/two\\nlines.pdf)" in caplog.records[0].getMessage()


def test_known_endings_are_not_opened() -> None:
    def never() -> bytes:
        raise AssertionError("opened")

    photos = PhotoFilter(Path("set"))
    assert photos.takes("anna/1.JPG", never)
    assert not photos.takes("anna/1.json", never)
    assert photos.summary() == "left out: .json files (1, anna/1.json)"


def test_omniglot_unpacked_is_as_in_its_archive(tmp_path: Path) -> None:
    for alphabet in ("Greek", "Latin"):
        for character in ("character01", "character02"):
            name = f"images_background/{alphabet}/{character}/0001_01.png"
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True)
            Image.new("L", (105, 105)).save(path)
    unpacked = read_manifest(tmp_path / "set")
    archive = read_manifest(archive_of(tmp_path / "set", "zip"))
    assert unpacked.fingerprint == archive.fingerprint
    assert unpacked.identities[0] == "Greek/character01"
    assert unpacked.table["alphabet"].to_pylist() == archive.table["alphabet"].to_pylist()
    assert [p.is_file() for p in unpacked.photos()] == [True] * 4
