"""The folder of a few people of LFW: what a second run does, and what is forgotten."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from likewise.errors import InputError
from likewise.faces.finder import PhotoFaces
from likewise.recognition.folder_gallery.cache import GalleryCache
from likewise.recognition.folder_gallery.folder_gallery import FolderGallery, _settings
from likewise.recognition.folder_gallery.record import PhotoRecord
from likewise.recognition.recognizer import Recognizer


@pytest.fixture
def people(raw: Path, tmp_path: Path) -> Path:
    """Three people with two photos each."""
    folder = tmp_path / "people"
    for person in sorted(raw.iterdir())[:3]:
        (folder / person.name).mkdir(parents=True)
        for photo in sorted(person.iterdir())[:2]:
            shutil.copy(photo, folder / person.name / photo.name)
    return folder


@pytest.fixture
def looked_at(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the photos whose faces are looked for."""
    counts: list[int] = []
    examine = recognizer.examine

    def counted(photo: bytes) -> PhotoFaces:
        counts.append(1)
        return examine(photo)

    monkeypatch.setattr(recognizer, "examine", counted)
    return counts


def cache_of(people: Path, recognizer: Recognizer, cache: Path) -> GalleryCache:
    return GalleryCache(people, _settings(recognizer), 128, cache)


def bytes_of(cache: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(cache.rglob("*.jsonl")))


def test_a_folder_recognises_another_photo_of_its_people(
    recognizer: Recognizer, people: Path, raw: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in sorted(people.rglob("*"))}
    gallery = FolderGallery(people, recognizer, cache=tmp_path / "cache")
    report = gallery.update()
    assert (report.people, report.photos, report.embedded, report.without_face) == (3, 6, 6, [])
    known = gallery.gallery()
    for person in sorted(raw.iterdir())[:5]:
        photo = sorted(person.iterdir())[2]
        vector = recognizer.faces_of(photo)[0].vector
        (answer,) = known.identify(vector[None])
        expected = person.name if (people / person.name).exists() else None
        assert answer.name == expected
        if expected:
            assert str(answer.photo).startswith(f"{expected}/")
    assert {path: path.stat().st_mtime_ns for path in sorted(people.rglob("*"))} == before


def test_a_second_run_embeds_only_what_is_new_or_changed(
    recognizer: Recognizer, people: Path, raw: Path, tmp_path: Path, looked_at: list[int]
) -> None:
    cache = tmp_path / "cache"
    FolderGallery(people, recognizer, cache=cache).update()
    first = dict(cache_of(people, recognizer, cache).read())
    assert len(looked_at) == 6
    report = FolderGallery(people, recognizer, cache=cache).update()
    assert (len(looked_at), report.embedded, report.photos) == (6, 0, 6)
    one, other, third, *_ = sorted(people.rglob("*.jpg"))
    os.utime(one)  # touched: the same content
    other.rename(other.with_name("renamed.jpg"))
    shutil.copy(sorted(raw.iterdir())[7] / f"{sorted(raw.iterdir())[7].name}_0001.jpg", third)
    report = FolderGallery(people, recognizer, cache=cache).update()
    assert (len(looked_at), report.embedded, report.photos, report.forgotten) == (7, 1, 6, 1)
    now = cache_of(people, recognizer, cache).read()
    assert now.keys() == {path.relative_to(people).as_posix() for path in people.rglob("*.jpg")}
    name = one.relative_to(people).as_posix()
    np.testing.assert_array_equal(now[name].vectors, first[name].vectors)


def test_deleted_photos_are_forgotten_on_the_disk(
    recognizer: Recognizer, people: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    FolderGallery(people, recognizer, cache=cache).update()
    flipped = Recognizer(recognizer.embedder, recognizer.finder, flip=True)
    FolderGallery(people, flipped, cache=cache).update()
    gone = min(people.rglob("*.jpg"))
    name = gone.name.encode()
    vector = cache_of(people, recognizer, cache).read()[
        gone.relative_to(people).as_posix()
    ].to_line().encode()[:60]  # fmt: skip
    assert bytes_of(cache).count(name) == 2  # under both settings
    assert vector in bytes_of(cache)
    gone.unlink()
    report = FolderGallery(people, recognizer, cache=cache).update()
    assert report.forgotten == 1
    assert name not in bytes_of(cache)
    assert vector not in bytes_of(cache)


def test_photos_that_were_replaced_are_forgotten_under_all_settings(
    recognizer: Recognizer, people: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    FolderGallery(people, recognizer, cache=cache).update()
    flipped = Recognizer(recognizer.embedder, recognizer.finder, flip=True)
    FolderGallery(people, flipped, cache=cache).update()
    gone, *_, other = sorted(people.rglob("*.jpg"))
    sha256 = hashlib.sha256(gone.read_bytes()).hexdigest().encode()
    assert bytes_of(cache).count(sha256) == 2
    gone.write_bytes(other.read_bytes())
    FolderGallery(people, recognizer, cache=cache).update()
    assert sha256 not in bytes_of(cache)


def test_what_a_killed_run_left_is_forgotten(
    recognizer: Recognizer, people: Path, tmp_path: Path
) -> None:
    """It had added the new record of a changed photo, and not yet removed the old one."""
    cache = tmp_path / "cache"
    FolderGallery(people, recognizer, cache=cache).update()
    record = next(iter(cache_of(people, recognizer, cache).read().values()))
    (path,) = cache.rglob("*.jsonl")
    head, rest = path.read_text().split("\n", 1)
    old = PhotoRecord(record.name, 1, 1, "of the old photo", record.vectors, record.poor)
    path.write_text(f"{head}\n{old.to_line()}{rest}\n{rest[:50]}\n")
    assert FolderGallery(people, recognizer, cache=cache).update().embedded == 0
    assert path.read_text() == f"{head}\n{rest}"


def test_a_folder_whose_people_are_all_gone_is_forgotten(
    recognizer: Recognizer, people: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    FolderGallery(people, recognizer, cache=cache).update()
    for person in people.iterdir():
        shutil.rmtree(person)
    with pytest.raises(InputError, match="no subfolder"):
        FolderGallery(people, recognizer, cache=cache).update()
    assert bytes_of(cache) == b""


def test_links_to_people_outside_are_followed_and_others_are_named(
    recognizer: Recognizer, people: Path, tmp_path: Path
) -> None:
    first, second, *_ = sorted(people.iterdir())
    first.rename(tmp_path / "outside")
    first.symlink_to(tmp_path / "outside")
    (people / "twin").symlink_to(second)
    (people / "all").symlink_to(tmp_path)
    (second / "more").symlink_to(tmp_path / "outside")
    report = FolderGallery(people, recognizer, cache=tmp_path / "cache").update()
    assert (report.people, report.photos, report.twice) == (3, 6, [])
    assert "links to folders that are read anyway (3, such as" in report.left_out


def test_a_folder_that_is_gone_is_forgotten(
    recognizer: Recognizer, people: Path, tmp_path: Path
) -> None:
    cache, other = tmp_path / "cache", tmp_path / "other"
    FolderGallery(people, recognizer, cache=cache).update()
    shutil.copytree(people, other)
    people.rename(tmp_path / "moved")
    assert FolderGallery(other, recognizer, cache=cache).update().swept == 1
    assert len(list(cache.rglob("*.jsonl"))) == 1
    shutil.rmtree(other)
    with pytest.raises(InputError, match="no such folder"):
        FolderGallery(other, recognizer, cache=cache).update()
    assert bytes_of(cache) == b""


def test_what_cannot_be_used_is_named(
    recognizer: Recognizer, people: Path, groups: Path, tmp_path: Path
) -> None:
    first, second, third = sorted(people.iterdir())
    shutil.copy(min(first.iterdir()), second / "a_copy.jpg")
    (first / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    shutil.copy(groups / "2008_001322.jpg", third / "group.jpg")
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(third / "wall.png")
    blurred = Image.open(min(third.glob("*0001.jpg"))).convert("RGB").resize((40, 40))
    blurred.resize((250, 250)).filter(ImageFilter.GaussianBlur(3)).save(third / "blurred.png")
    (people / "nobody").mkdir()
    (people / "loose.jpg").write_bytes((second / "a_copy.jpg").read_bytes())
    (first / "notes.txt").write_text("not a photo")
    (people / ".hidden").mkdir()
    report = FolderGallery(people, recognizer, cache=tmp_path / "cache").update()
    assert [bad.name for bad in report.broken] == [f"{first.name}/broken.jpg"]
    assert report.unclear == [f"{third.name}/group.jpg"]
    assert f"{third.name}/wall.png" in report.no_face
    assert report.outside == ["loose.jpg"]
    assert report.without_face == ["nobody"]
    (pair,) = report.twice
    assert {name.partition("/")[0] for name in pair} == {first.name, second.name}
    assert ".txt files (1" in report.left_out
    again = FolderGallery(people, recognizer, cache=tmp_path / "cache").update()
    assert again.embedded == 0
    assert (again.unclear, again.no_face, again.twice) == (
        report.unclear, report.no_face, report.twice,
    )  # fmt: skip
    assert [bad.name for bad in again.broken] == [f"{first.name}/broken.jpg"]


def test_folders_that_are_no_galleries(recognizer: Recognizer, tmp_path: Path) -> None:
    cache, empty = tmp_path / "cache", tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no subfolder"):
        FolderGallery(empty, recognizer, cache=cache).update()
    Image.new("RGB", (50, 50)).save(empty / "loose.png")
    with pytest.raises(InputError, match="1 photo lies in it directly"):
        FolderGallery(empty, recognizer, cache=cache).update()
    with pytest.raises(InputError, match="is a file"):
        FolderGallery(empty / "loose.png", recognizer, cache=cache).update()
    (empty / "anna").mkdir()
    report = FolderGallery(empty, recognizer, cache=cache).update()
    assert (report.people, report.without_face) == (0, ["anna"])


def test_one_photo_is_a_gallery(recognizer: Recognizer, people: Path, tmp_path: Path) -> None:
    only, *others = sorted(people.rglob("*.jpg"))
    for path in others:
        path.unlink()
    gallery = FolderGallery(people, recognizer, cache=tmp_path / "cache")
    report = gallery.update()
    assert (report.people, report.photos) == (1, 1)
    assert len(report.without_face) == 2
    (answer,) = gallery.gallery().identify(recognizer.faces_of(only)[0].vector[None])
    assert answer.name == only.parent.name


KILLED = """
import os, sys, json
from pathlib import Path
from likewise.models.importing import import_onnx
from likewise.data.preprocess import Preprocess
from likewise.recognition.recognizer import Recognizer
from likewise.recognition.folder_gallery import folder_gallery, cache
imagenet = {"mean": (.485, .456, .406), "std": (.229, .224, .225)}
embedder = import_onnx(sys.argv[1], Preprocess(112, 112, **imagenet))
recognizer = Recognizer(embedder)
folder_gallery.BATCH = 2
gallery = folder_gallery.FolderGallery(sys.argv[2], recognizer, cache=Path(sys.argv[3]))
keep, looked = cache.GalleryCache.keep, []
examine = recognizer.examine
def counted(photo):
    looked.append(1)
    if sys.argv[4] == "kill" and len(looked) > 4:
        os.kill(os.getpid(), 9)
    return examine(photo)
recognizer.examine = counted
report = gallery.update()
print(json.dumps([len(looked), report.photos]))
"""


def test_an_interrupted_run_is_continued(
    recognizer: Recognizer, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, examine, looked = tmp_path / "cache", recognizer.examine, []
    monkeypatch.setattr("likewise.recognition.folder_gallery.folder_gallery.BATCH", 2)

    def interrupted(photo: bytes) -> PhotoFaces:
        looked.append(1)
        if len(looked) == 5:
            raise KeyboardInterrupt
        return examine(photo)

    monkeypatch.setattr(recognizer, "examine", interrupted)
    with pytest.raises(KeyboardInterrupt):
        FolderGallery(people, recognizer, cache=cache).update()
    report = FolderGallery(people, recognizer, cache=cache).update()
    assert report.photos == 6
    assert report.embedded <= 4


@pytest.mark.slow
def test_a_killed_run_is_continued(
    recognizer: Recognizer, people: Path, shared_data: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    model = shared_data / "models/mobilefacenet_ms1m_128.onnx"

    def run(how: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED, str(model), str(people), str(cache), how]
        return subprocess.run(command, capture_output=True, text=True)

    assert run("kill").returncode == -9
    with min(cache.rglob("*.jsonl")).open("a") as stream:
        stream.write("deadbeef {")  # a line that the crash cut off
    finished = run("go on")
    assert finished.returncode == 0, finished.stderr
    looked, photos = json.loads(finished.stdout)
    assert photos == 6
    assert 2 <= looked <= 4  # two of six were kept at least


def test_two_runs_at_once_wait_for_each_other(
    recognizer: Recognizer, people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    held = cache_of(people, recognizer, cache)
    done: list[int] = []

    def other() -> None:
        done.append(FolderGallery(people, recognizer, cache=cache).update().photos)

    with held.locked():
        worker = threading.Thread(target=other)
        worker.start()
        time.sleep(0.3)
        assert done == []
        assert "another process embeds this gallery" in caplog.text
    worker.join()
    assert done == [6]


def test_damaged_caches_are_made_anew(
    recognizer: Recognizer, people: Path, tmp_path: Path, looked_at: list[int]
) -> None:
    cache = tmp_path / "cache"
    FolderGallery(people, recognizer, cache=cache).update()
    (path,) = cache.rglob("*.jsonl")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    report = FolderGallery(people, recognizer, cache=cache).update()
    assert (report.embedded, report.photos) == (1, 6)
    path.write_bytes(b"\x00" * 1000)
    report = FolderGallery(people, recognizer, cache=cache).update()
    assert (report.embedded, report.photos) == (6, 6)


def test_a_record_survives_its_line() -> None:
    vectors = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    record = PhotoRecord("a\udcff/ü.jpg", 5, 7, "ab", vectors, (("small",), ()))
    back = PhotoRecord.from_line(record.to_line(), 8)
    assert back is not None
    assert (back.name, back.poor) == (record.name, record.poor)
    np.testing.assert_array_equal(back.vectors, vectors)
    assert PhotoRecord.from_line(record.to_line(), 16) is None
    assert PhotoRecord.from_line(record.to_line()[:-9], 8) is None
    nobody = PhotoRecord("wall.png", 5, 7, "cd", np.empty((0, 8), np.float32))
    again = PhotoRecord.from_line(nobody.to_line(), 8)
    assert again is not None
    assert again.vectors.shape == (0, 8)


def test_a_group_photo_stands_for_the_person_by_the_right_face(
    recognizer: Recognizer, people: Path, raw: Path, groups: Path, tmp_path: Path
) -> None:
    """The person beside two strangers of the same size, and a group without the person."""
    person, stranger, *_ = sorted(people.iterdir())
    others = sorted(raw.iterdir())
    beside = [min(others[8].iterdir()), sorted(person.iterdir())[0], min(others[9].iterdir())]
    wide = Image.new("RGB", (750, 250))
    for place, photo in enumerate(beside):
        wide.paste(Image.open(photo), (250 * place, 0))
    sorted(person.iterdir())[0].unlink()
    wide.save(person / "beside.jpg", quality=95)
    shutil.copy(groups / "2008_001322.jpg", person / "strangers.jpg")
    gallery = FolderGallery(people, recognizer, cache=tmp_path / "cache")
    report = gallery.update()
    assert report.several == [f"{person.name}/beside.jpg"]
    assert report.unclear == [f"{person.name}/strangers.jpg"]
    vectors = {row.photo: row.vector for row in gallery._enrolled}
    third = recognizer.faces_of(sorted((raw / person.name).iterdir())[2])[0].vector
    assert vectors[f"{person.name}/beside.jpg"] @ third > 0.4
    assert stranger.name in {row.person for row in gallery._enrolled}


def test_a_person_with_only_a_group_photo_is_left_out(
    recognizer: Recognizer, people: Path, groups: Path, tmp_path: Path
) -> None:
    """Nothing says which face is meant."""
    (people / "anna").mkdir()
    shutil.copy(groups / "2008_001322.jpg", people / "anna" / "friends.jpg")
    report = FolderGallery(people, recognizer, cache=tmp_path / "cache").update()
    assert (report.unclear, report.without_face) == (["anna/friends.jpg"], ["anna"])
