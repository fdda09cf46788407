"""``likewise cluster``: runs and edits from the command line, and on photos of real people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import likewise
from likewise.errors import LikewiseError
from likewise.recognition.albums import update
from likewise.recognition.albums.albums import read_albums
from likewise.recognition.albums.found_faces import read_faces
from likewise.recognition.albums.photos import read_photos
from tests.cli.test_commands import answer, run
from tests.recognition.albums.painted import PaintedRecognizer, paint


@pytest.fixture
def painted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two people in eight photos, one broken photo, and a recogniser for them."""
    monkeypatch.setattr(update, "_recognizer", lambda *_: (PaintedRecognizer(), ()))
    top = tmp_path / "photos"
    for take in range(4):
        paint(top / f"{take}" / "a.png", [1], variant=take)
        paint(top / f"{take}" / "b.png", [2], variant=take)
    (top / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return top


def test_group_then_edit_then_group_again(
    painted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "albums"
    found = answer(capsys, "cluster", painted, "--out", out)
    assert [len(group["faces"]) for group in found["groups"]] == [4, 4]
    assert [Path(one["path"]).name for one in found["bad_images"]] == ["broken.jpg"]
    assert (found["photos"], found["faces"], found["threshold"]) == (9, 8, 0.45)
    first, second = (group["number"] for group in found["groups"])
    face = found["groups"][0]["faces"][0]
    named = answer(capsys, "cluster", "--out", out, "--name", f"{first}=Anna Lee",
                   "--name", f"{second}=Bob=B", "--not", f"{first}:{face}")  # fmt: skip
    assert {group["name"] for group in named["groups"]} == {"Anna Lee", "Bob=B"}
    code, text, err = run(capsys, "cluster", "--out", out, "--join", "Anna Lee,Bob=B")
    assert code == 0, err
    assert "Anna Lee" in text
    assert "Bob" not in text
    code, text, err = run(capsys, "cluster", "--out", out, "--undo")
    assert (code, "taken back: merge" in err, "Bob=B" in text) == (0, True, True)
    paint(painted / "c.png", [1], variant=9)
    code, text, err = run(capsys, "cluster", painted, "--out", out)
    assert code == 0
    assert "10 photos, 1 new, 1 broken" in text
    assert "9 faces, 8 of them in groups" in text
    assert "left out: " in err
    assert "broken.jpg" in err
    assert str(out / "index.html") in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "PHOTOS: missing; give the folder of photos, or an edit: --name"),
        (("--undo", "--name", "1=A"), "--undo: give it alone"),
        (("--name", "1=A", "--threshold", ".6"), "--threshold: is for grouping; give PHOTOS too"),
        (("--name", "1=A", "--again"), "--again: is for grouping; give PHOTOS too"),
        (("--name", "1=A", "--name", "1=B"), "--name 1: given twice"),
        (("--name", "1"), "--name 1: must be like 3=Anna"),
        (("--split-off", "1"), "--split-off 1: must be a group and its faces, like 3:12,19"),
        (("--not", "1:a"), "--not 1:a: must be a group and its faces, like 3:12,19"),
        (("--join", "1"), "no albums here; make them: likewise cluster PHOTOS"),
    ],
)
def test_wrong_edits_get_one_line(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "cluster", "--out", tmp_path / "albums", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "albums").exists()


def test_another_threshold_in_a_second_run_is_told(
    painted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("cluster", painted, "--out", tmp_path / "albums")
    for words, told in ((), False), ((), False), (("--threshold", "0.99"), True):
        code, text, err = run(capsys, *command, *words)
        assert (code, "2 groups" in text) == (0, True)
        assert ("threshold 0.99, before 0.45: groups that are there may grow" in err) == told


def test_a_threshold_and_an_fmr_are_refused(
    painted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("cluster", painted, "--out", tmp_path / "albums")
    assert run(capsys, *command, "--threshold", "0.4", "--fmr", "1e-4")[0] == 2
    code, _, err = run(capsys, *command, "--threshold", "1.4")
    assert (code, "threshold: 1.4; must be a number from -1 to 1" in err) == (2, True)
    code, _, err = run(capsys, *command, "--fmr", "1e-4")
    assert (code, "was not measured for this model" in err) == (2, True)


@pytest.fixture
def _sface(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips where SFace or the face detector is not installed."""
    monkeypatch.delenv("LIKEWISE_MODEL", raising=False)
    try:
        likewise.load("sface")
        from likewise.faces.finder import FaceFinder

        FaceFinder()
    except LikewiseError as error:
        pytest.skip(f"no face models here: {error}")


@pytest.mark.usefixtures("_sface")
def test_a_collage_of_four_people(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = tmp_path / "photos"
    top.mkdir()
    collage = (shared_data / "faces" / "voc_faces" / "bald_guys.jpg").read_bytes()
    (top / "bald_guys.jpg").write_bytes(collage)
    found = answer(capsys, "cluster", top, "--out", tmp_path / "apart")
    assert found["groups"] == []  # two faces of a photo are two people
    assert len(found["repeated_in_photo"]) == 1
    found = answer(capsys, "cluster", top, "--out", tmp_path / "albums", "--allow-same-photo")
    assert [len(group["faces"]) for group in found["groups"]] == [6, 6, 6, 6]


@pytest.mark.usefixtures("_sface")
def test_unaligned_photos_of_lfw_in_two_runs(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = sorted((shared_data / "lfw" / "raw_sample").iterdir())[:6]
    top, out = tmp_path / "photos", tmp_path / "albums"
    for takes in ((0, 1), (2,)):
        for person in people:
            for take in takes:
                source = sorted(person.glob("*.jpg"))[take]
                with Image.open(source) as photo:
                    (top / str(take)).mkdir(parents=True, exist_ok=True)
                    turned = photo.rotate(90 * (take == 1), expand=True)
                    turned.save(top / str(take) / f"{person.name}.png")
        found = answer(capsys, "cluster", top, "--out", out)
        if takes == (0, 1):
            names = [f"{group['number']}=p{group['number']}" for group in found["groups"]]
            answer(capsys, "cluster", "--out", out, *(w for n in names for w in ("--name", n)))
    faces, path = read_faces(out, 1), {f.photo: f.path for f in read_photos(out).values()}
    person = dict(zip(faces.numbers, [Path(path[p]).stem for p in faces.photos], strict=True))
    groups = [g for g in read_albums(out).groups.biggest_first() if g.name is not None]
    inside = [Counter(person[face] for face in group.faces) for group in groups]
    assert len(groups) >= 5
    assert all(len(found) == 1 for found in inside)
    assert np.mean([found.total() for found in inside]) > 2.5
