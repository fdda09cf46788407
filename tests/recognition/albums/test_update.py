"""Runs over folders of painted photos: second runs, moves, deletions, kills, and bad input."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from likewise.errors import InputError, LikewiseError
from likewise.recognition.albums.albums import read_albums
from likewise.recognition.albums.edit import edit_albums
from likewise.recognition.albums.found_faces import read_faces
from likewise.recognition.albums.photos import read_photos
from likewise.recognition.albums.update import AlbumsRun, cluster_photos
from tests.recognition.albums.painted import PaintedRecognizer, paint

THRESHOLD = 0.5


def run(
    photos: Path, out: Path, recognizer: PaintedRecognizer | None = None, **options: bool
) -> AlbumsRun:
    source = recognizer or PaintedRecognizer()
    return cluster_photos(photos, out, threshold=THRESHOLD, recognizer=source, **options)


def people_of(out: Path) -> dict[str, set[str]]:
    """The photos of each group, by the group's title."""
    albums = read_albums(out)
    faces = read_faces(out, albums.generation)
    photo = dict(zip(faces.numbers, faces.photos, strict=True))
    return {
        group.title: {photo[face] for face in group.faces}
        for group in albums.groups.by_number.values()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people in twelve photos, one of two people, one without a face, one broken."""
    top = tmp_path / "photos"
    for person in (1, 2, 3):
        for take in range(4):
            paint(top / f"trip{take}" / f"p{person}.png", [person], variant=take)
    paint(top / "both.png", [1, 2], variant=9)
    paint(top / "landscape.png", [0])
    (top / "broken.jpg").write_bytes(b"\xff\xd8\xff not a photo")
    (top / "notes.txt").write_text("no photo")
    return top


def listing(top: Path) -> list[tuple[str, int, int]]:
    return sorted((str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in top.rglob("*"))


def test_a_folder_becomes_groups(folder: Path, tmp_path: Path) -> None:
    before = listing(folder)
    found = run(folder, tmp_path / "albums")
    assert [len(g.faces) for g in found.albums.groups.biggest_first()] == [5, 5, 4]
    assert (found.photos, found.new, found.faces, found.grouped) == (15, 15, 14, 14)
    assert [Path(path).name for path in found.without_faces] == ["landscape.png"]
    assert [Path(photo.path).name for photo in found.broken] == ["broken.jpg"]
    assert "notes.txt" in found.left_out
    assert listing(folder) == before  # nothing is written there
    page = found.page.read_text()
    assert page.count("<img") == 14
    assert "http" not in page
    assert "<script" not in page


def test_a_second_run_with_half_the_photos_new_keeps_every_name(tmp_path: Path) -> None:
    top, out = tmp_path / "photos", tmp_path / "albums"
    random = np.random.default_rng(0)
    for photo in range(60):
        people = random.choice(np.arange(1, 13), 2, replace=False).tolist()
        paint(top / f"{photo}.png", people, variant=photo)
    run(top, out)
    numbers = [group.number for group in read_albums(out).groups.biggest_first()]
    edit_albums(out, names={number: f"person {number}" for number in numbers})
    before = people_of(out)
    for photo in range(60, 120):
        people = random.choice(np.arange(1, 16), 2, replace=False).tolist()
        paint(top / f"{photo}.png", people, variant=photo)
    recognizer = PaintedRecognizer()
    found = run(top, out, recognizer)
    assert (recognizer.read, found.new) == (60, 60)  # known photos are not read again
    after = people_of(out)
    assert len(before) == 12
    for name, photos in before.items():
        assert photos < after[name]
    assert len(after) == 15
    assert found.grouped == found.faces == 240


def test_edits_survive_further_runs(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "albums"
    first = run(folder, out).albums.groups.biggest_first()
    split, kept = first[0], first[1].number
    away = sorted(split.faces)[:2]
    one = sorted(first[1].faces)[0]
    edit_albums(out, split_off=[(split.number, away)], not_this=[(kept, [one])],
                names={first[2].number: "Carla"})  # fmt: skip
    for take in range(4, 8):
        for person in (1, 2, 3):
            paint(folder / f"later{take}" / f"p{person}.png", [person], variant=take)
    albums = run(folder, out).albums
    groups = albums.groups.by_number
    new = next(g for g in groups.values() if set(away) <= g.faces)
    assert new.number not in (split.number, kept)
    assert not groups[split.number].faces & set(away)
    assert one not in groups[kept].faces  # although it is that person
    assert groups[first[2].number].name == "Carla"
    assert len(groups[first[2].number].faces) == 8
    restored = edit_albums(out, undo=3)
    assert one in restored.groups.by_number[kept].faces
    assert set(away) <= restored.groups.by_number[split.number].faces


def test_two_faces_of_one_photo_are_two_people(tmp_path: Path) -> None:
    top, out = tmp_path / "photos", tmp_path / "albums"
    paint(top / "collage.png", [1, 2, 1, 2, 1])
    paint(top / "one.png", [1], variant=3)
    found = run(top, out)
    assert [Path(path).name for path in found.repeated] == ["collage.png"]
    assert max(len(g.faces) for g in found.albums.groups.by_number.values()) == 2
    apart = run(top, tmp_path / "collage", allow_same_photo=True)
    assert [len(g.faces) for g in apart.albums.groups.biggest_first()] == [4, 2]
    assert apart.repeated == []


def test_unclear_faces_join_a_group_and_found_none(tmp_path: Path) -> None:
    top, out = tmp_path / "photos", tmp_path / "albums"
    for take in range(3):
        paint(top / f"clear{take}.png", [1], variant=take)
        paint(top / f"unclear{take}.png", [201], variant=take)  # person 1, unclear
        paint(top / f"stranger{take}.png", [205], variant=take)  # person 5, always unclear
    found = run(top, out)
    assert [len(g.faces) for g in found.albums.groups.biggest_first()] == [6]
    assert found.faces - found.grouped == 3


def test_moved_photos_are_recognised_and_deleted_ones_forgotten(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "albums"
    numbers = [g.number for g in run(folder, out).albums.groups.biggest_first()]
    edit_albums(out, names={numbers[0]: "Anna", numbers[1]: "Bob", numbers[2]: "Carla"})
    (folder / "trip0").rename(folder / "renamed")
    for person in (1, 2, 3):
        (folder / "trip1" / f"p{person}.png").unlink()
    (folder / "copy.png").write_bytes((folder / "both.png").read_bytes())
    recognizer = PaintedRecognizer()
    found = run(folder, out, recognizer)
    assert recognizer.read == 1  # the broken one is tried again
    assert (found.new, found.moved, found.forgotten, found.copies) == (0, 3, 3, 1)
    assert found.faces == 11
    assert [(g.title, len(g.faces)) for g in found.albums.groups.biggest_first()] == [
        ("Anna", 4), ("Bob", 4), ("Carla", 3),
    ]  # fmt: skip
    for name in ("faces", "photos.parquet"):
        assert (out / name).exists()
    assert len(read_faces(out, 1).rows.filter(read_faces(out, 1).rows["face"].is_valid())) == 11


def test_photos_of_another_folder_stay(folder: Path, tmp_path: Path) -> None:
    out, more = tmp_path / "albums", tmp_path / "more"
    run(folder, out)
    paint(more / "p1.png", [1], variant=77)
    found = run(more, out)
    assert (found.photos, found.new, found.forgotten, found.faces) == (1, 1, 0, 15)
    (folder / "both.png").unlink()
    assert run(more, out).faces == 13  # it is gone, and its folder is there
    folder.rename(tmp_path / "unplugged")
    assert run(more, out).faces == 13  # a disk that is not there


def test_a_folder_that_cannot_be_opened_now_is_not_forgotten(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "albums"
    run(folder, out)
    known = read_photos(out)
    lost = next(path for path in known if path.endswith("trip0/p1.png"))
    (folder / "trip0").rename(folder / ".hidden")
    (folder / "trip0").symlink_to(folder / "trip0")  # a loop: neither there nor gone
    found = run(folder, out)
    assert lost in read_photos(out)
    assert found.faces == 14


def test_a_name_that_loses_all_its_photos_is_told(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "albums"
    run(folder, out)
    (folder / "both.png").unlink()
    run(folder, out)
    group = read_albums(out).groups.find(3)
    edit_albums(out, names={group.number: "Carla"})
    photos = people_of(out)["Carla"]
    for file in list(read_photos(out).values()):
        if file.photo in photos:
            Path(file.path).unlink()
    assert run(folder, out).lost == ["Carla"]


def test_a_full_disk_is_one_line_and_loses_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "albums"
    run(folder, out)
    before = people_of(out)
    paint(folder / "new.png", [1], variant=50)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("likewise.recognition.albums.found_faces.pq.write_table", full)
    with pytest.raises(LikewiseError, match="No space left on device; free some space"):
        run(folder, out)
    monkeypatch.undo()
    assert people_of(out) == before
    assert run(folder, out).faces == 15
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(LikewiseError, match="is a file, not a folder"):
        run(folder, file)


def test_an_interrupted_run_is_continued(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "albums"
    with pytest.raises(KeyboardInterrupt):
        run(folder, out, PaintedRecognizer(stop_after=6))
    rest = PaintedRecognizer()
    found = run(folder, out, rest)
    assert rest.read <= 15 - 6 + 1  # a broken one may be tried twice
    assert found.faces == found.grouped == 14
    whole = run(folder, tmp_path / "whole")
    assert sorted(map(sorted, people_of(out).values())) == sorted(
        map(sorted, people_of(whole.folder).values())
    )


def test_a_crash_before_the_parts_are_deleted_changes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "albums"
    run(folder, out)
    before = people_of(out)
    paint(folder / "new.png", [1], variant=50)
    monkeypatch.setattr(
        "likewise.recognition.albums.update.write_faces",
        lambda *_: (_ for _ in ()).throw(LikewiseError("disk full")),
    )
    with pytest.raises(LikewiseError, match="disk full"):
        run(folder, out)
    monkeypatch.undo()
    rest = PaintedRecognizer()
    found = run(folder, out, rest)
    assert rest.read == 1
    assert found.faces == found.grouped == 15
    assert all(photos <= people_of(out)[name] for name, photos in before.items())


def test_another_model_is_refused_unless_again_which_keeps_names(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "albums"
    groups = run(folder, out).albums.groups.biggest_first()
    edit_albums(out, names={groups[0].number: "Anna", groups[1].number: "Bob"})
    before = people_of(out)
    with pytest.raises(InputError, match="another model") as caught:
        run(folder, out, PaintedRecognizer("painted-2"))
    assert "--out" in str(caught.value)
    assert "--again" in str(caught.value)
    stopped = PaintedRecognizer("painted-2", stop_after=5)
    with pytest.raises(KeyboardInterrupt):
        run(folder, out, stopped, again=True)
    assert people_of(out) == before
    rest = PaintedRecognizer("painted-2")
    run(folder, out, rest, again=True)
    assert rest.read < 15
    assert people_of(out) == before
    assert read_albums(out).fingerprint == "painted-2"
    assert [path.name for path in (out / "faces").iterdir()] == ["all-2.parquet"]


def test_bad_input_gets_one_line(folder: Path, tmp_path: Path) -> None:
    out, empty = tmp_path / "albums", tmp_path / "empty"
    empty.mkdir()
    (empty / "a.txt").write_text("a")
    for photos, message in (
        (empty, r"empty: no photos in it \(left out: .txt files \(1, a.txt\)\)"),
        (tmp_path / "missing", "missing: no such folder"),
        (folder / "both.png", "is a file; give the folder of photos"),
    ):
        with pytest.raises(InputError, match=message):
            run(photos, out)
    assert not out.exists()
    with pytest.raises(InputError, match="lies in the folder of photos"):
        run(folder, folder / "albums")
    paint(empty / "b.png", [0])
    (empty / "c.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match=r"no face in 2 photos \(1 cannot be read; the first: "):
        run(empty, out)
    with pytest.raises(InputError, match="no albums here"):
        edit_albums(tmp_path / "none", undo=1)
    assert not (tmp_path / "none").exists()


def test_damaged_files_are_named(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "albums"
    run(folder, out)
    state = (out / "albums.json").read_text()
    (out / "albums.json").write_text(state[: len(state) // 2])
    with pytest.raises(InputError, match=r"albums.json: not valid JSON"):
        run(folder, out)
    (out / "albums.json").write_text(state)
    faces = out / "faces" / "all-1.parquet"
    data = faces.read_bytes()
    for broken in (data[: len(data) // 2], b"", b"PAR1" + os.urandom(200)):
        faces.write_bytes(broken)
        with pytest.raises(InputError, match=r"all-1.parquet: damaged .*or delete it") as caught:
            run(folder, out)
        assert "\n" not in str(caught.value)
    faces.unlink()  # as the message advises
    assert run(folder, out).faces == 14
    (out / "photos.parquet").write_bytes(b"broken")
    assert run(folder, out).faces == 14


def test_names_are_escaped_on_the_page(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "albums"
    paint(folder / "<b>x.png", [1], variant=33)
    number = run(folder, out).albums.groups.biggest_first()[0].number
    edit_albums(out, names={number: '<script>alert("x")</script>'})
    page = (out / "index.html").read_text()
    assert "<script" not in page
    assert "<b>x" not in page
    assert "&lt;script&gt;" in page
    values = json.loads((out / "albums.json").read_text())
    assert values["groups"][0]["name"] == '<script>alert("x")</script>'


def test_the_page_is_bounded_and_says_so(tmp_path: Path) -> None:
    top, out = tmp_path / "photos", tmp_path / "albums"
    for take in range(40):
        paint(top / f"a{take}.png", [1], variant=take)
        paint(top / f"landscape{take}.png", [0], variant=take)
    page = run(top, out).page.read_text()
    assert page.count("<img") == 12
    assert "… 28 more, and the least typical:" in page


def test_all_edits_or_none(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "albums"
    run(folder, out)
    before = (out / "albums.json").read_bytes()
    with pytest.raises(InputError, match="group 77"):
        edit_albums(out, merge=[(1, 2)], names={77: "Anna"})
    assert (out / "albums.json").read_bytes() == before


def test_edits_go_on_where_a_file_of_faces_was_deleted(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "albums"
    run(folder, out)
    before = (out / "albums.json").read_bytes()
    (path,) = (out / "faces").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    with pytest.raises(InputError, match="damaged"):
        edit_albums(out, names={1: "Anna"})
    assert (out / "albums.json").read_bytes() == before
    path.unlink()  # as the message says
    edit_albums(out, names={1: "Anna"})
    assert "Anna" in (out / "index.html").read_text("utf-8")


KILLED = """
import os, signal, sys
from pathlib import Path
from likewise.recognition.albums import found_faces
from likewise.recognition.albums.photos import read_photos
from likewise.recognition.albums.update import cluster_photos
from tests.recognition.albums.painted import PaintedRecognizer

class Killed(PaintedRecognizer):
    def faces_of_many(self, photos):
        for number, faces in enumerate(super().faces_of_many(photos)):
            if number == 9:
                os.kill(os.getpid(), signal.SIGKILL)
            yield faces

found_faces.EVERY_PHOTOS = 4
cluster_photos(sys.argv[1], sys.argv[2], threshold=0.5, recognizer=Killed())
"""


def test_a_killed_run_loses_only_the_last_photos(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "albums"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(out)],
        cwd=root, env=os.environ | {"PYTHONPATH": f"{root / 'src'}:{root}"}, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert sorted(path.name for path in (out / "faces").iterdir()) == [
        "part-1-00001.parquet", "part-1-00002.parquet",
    ]  # fmt: skip
    rest = PaintedRecognizer()
    found = run(folder, out, rest)
    assert rest.read in (7, 8)  # the broken photo, if it was among the first, is tried again
    assert found.faces == found.grouped == 14
    assert len(set(read_faces(out, 1).numbers)) == 14
