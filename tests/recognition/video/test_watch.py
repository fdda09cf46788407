"""Who is in a film made of real photos, and when; what is written about it."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import likewise.recognition.video.watch as watching
from likewise.errors import InputError, LikewiseError
from likewise.recognition.recognizer import Recognizer
from likewise.recognition.video.frames import Frame
from likewise.recognition.video.output import contact_sheet, write_watched
from likewise.recognition.video.result import TrackResult, Watched
from likewise.recognition.video.session import Session
from likewise.recognition.video.watch import watch
from tests.recognition.video.film import AFTER_CUT, CROSSING, GROUP, NOBODY, PLAN, make_film
from tests.recognition.video.test_tracker import Network, face
from tests.recognition.video.videos import quadrants, write_video


@dataclass(frozen=True)
class Answer:
    name: str | None
    score: float
    probability: float | None = None
    photo: str | None = None
    note: str = ""


class People:
    """A gallery of a few vectors, compared one by one."""

    def __init__(self, vectors: dict[str, NDArray[np.float32]], threshold: float) -> None:
        self.vectors, self.threshold = vectors, threshold

    def identify(
        self, vectors: NDArray[np.float32], *, poor: Sequence[bool] | None = None
    ) -> list[Answer]:
        assert poor is None or len(poor) == len(vectors)
        answers = []
        for vector in vectors:
            score, name = max((float(v @ vector), name) for name, v in self.vectors.items())
            answers.append(Answer(name if score >= self.threshold else None, score))
        return answers


@pytest.fixture(scope="module")
def film(raw: Path, groups: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4", raw, groups)


@pytest.fixture(scope="module")
def people(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everybody of the plan and two strangers, by photos that the film lacks."""
    folder = tmp_path_factory.mktemp("people")
    for name in (*dict.fromkeys(name for name, _, _ in PLAN), "Ben_Affleck", "Ana_Guevara"):
        (folder / name).mkdir()
        photo = sorted((raw / name).glob("*.jpg"))[2]
        shutil.copy(photo, folder / name)
    (folder / "Nobody").mkdir()
    Image.new("RGB", (200, 200)).save(folder / "Nobody" / "black.jpg")
    return folder


@pytest.fixture(scope="module")
def named(
    film: Path, people: Path, recognizer: Recognizer, tmp_path_factory: pytest.TempPathFactory
) -> Watched:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIKEWISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return watch(film, people, model=recognizer)


def times_of(watched: Watched, name: str) -> list[TrackResult]:
    return [track for track in watched.tracks if track.name == name]


def test_everybody_is_named_from_when_they_come_to_when_they_go(named: Watched) -> None:
    for name, start, end in PLAN:
        tracks = [t for t in times_of(named, name) if start - 0.3 <= t.start < end]
        assert tracks, name
        assert max(t.end for t in tracks) <= end + 0.1  # no track jumps over a cut
        seen = sum(t.end - t.start for t in tracks)
        assert seen >= 0.6 * (end - start), (name, tracks)


def test_nobody_else_gets_a_name_and_nobody_is_seen_where_nobody_is(named: Watched) -> None:
    assert "people without a usable face: 1, Nobody" in named.summary()[0]
    assert set(named.people) == {name for name, _, _ in PLAN}
    for track in named.tracks:
        assert track.end <= NOBODY[0] or track.start >= NOBODY[1]
        if GROUP[0] <= track.start < GROUP[1]:
            assert (track.name, track.known) == ("unknown", False)
    group = [t for t in named.tracks if GROUP[0] <= t.start < GROUP[1] and t.frames > 5]
    assert 6 <= len(group) <= 9
    assert [t.track for t in named.tracks] == list(range(1, len(named.tracks) + 1))
    assert [t.start for t in named.tracks] == sorted(t.start for t in named.tracks)


def test_two_people_who_cross_keep_their_names(named: Watched) -> None:
    for name in CROSSING:
        (first, *rest) = [t for t in times_of(named, name) if 9.5 < t.start < 18]
        assert first.start < 10.5
        assert len(rest) <= 1  # the one behind is hidden for more than a second
        assert max(t.end for t in (first, *rest)) > 17


def test_without_a_gallery_the_same_person_has_the_same_number(
    film: Path, recognizer: Recognizer, named: Watched
) -> None:
    found = watch(film, model=recognizer)
    assert [t.start for t in found.tracks] == [t.start for t in named.tracks]
    numbers: dict[str, set[str]] = {}
    for track, same in zip(found.tracks, named.tracks, strict=True):
        assert not track.known
        if same.known:
            numbers.setdefault(same.name, set()).add(track.name)
    assert all(len(some) == 1 for some in numbers.values()), numbers
    assert len(set.union(*numbers.values())) == len(numbers) == 4
    assert found.tracks[0].name == "person 1"
    assert times_of(named, AFTER_CUT)[0].start == pytest.approx(6, abs=0.25)


def test_counts_and_times(named: Watched, film: Path, recognizer: Recognizer) -> None:
    assert (named.frames, named.decoded, named.damaged) == (150, 300, 0)
    assert 3 <= named.cuts <= 5
    assert named.seconds == pytest.approx(29.9)
    assert named.realtime == pytest.approx(named.seconds / named.elapsed)
    few = watch(film, model=recognizer, every=10, max_seconds=5)
    assert (few.frames, few.tracks[0].frames) == (6, 6)


def test_the_files_hold_all_tracks(named: Watched, tmp_path: Path) -> None:
    paths = write_watched(named, tmp_path / "out")
    assert {p.name for p in paths} == {p.name for p in (tmp_path / "out").iterdir()}
    with (tmp_path / "out/tracks.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    record = json.loads((tmp_path / "out/tracks.json").read_text("utf-8"))
    assert record == json.loads(json.dumps(named.record))
    assert len(rows) == len(record["tracks"]) == len(named.tracks)
    for row, track in zip(rows, named.tracks, strict=True):
        assert (row["track"], row["name"]) == (str(track.track), track.name)
        assert float(row["start"]) == pytest.approx(track.start, abs=1e-3)
        assert float(row["best_width"]) == pytest.approx(track.best_box[2], abs=0.1)
    with Image.open(tmp_path / "out/contact_sheet.jpg") as sheet:
        assert sheet.width > 1000
    page = (tmp_path / "out/contact_sheet.html").read_text("utf-8")
    assert page.count("<img ") == len(named.tracks)
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def made_up(name: str = "anna", **values: Any) -> Watched:
    picture = contact_sheet([])
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    track = TrackResult(1, name, True, 0.5, 0.999, 0, 2, 9, 1, (1, 2, 3, 4), "a/1.jpg", "",
                        np.ones(4, np.float32), buffer.getvalue())  # fmt: skip
    return Watched("a.mp4", (track,), 10, 50, 250, gallery=True, **values)


def test_names_are_escaped_and_no_formula(tmp_path: Path) -> None:
    write_watched(made_up("=1+1<b>&"), tmp_path)
    assert "=1+1&lt;b&gt;&amp;" in (tmp_path / "contact_sheet.html").read_text()
    with (tmp_path / "tracks.csv").open(newline="") as stream:
        assert next(csv.DictReader(stream))["name"] == "'=1+1<b>&"


def test_a_file_that_cannot_be_written_leaves_the_old_ones(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(LikewiseError, match="is a file, not a folder"):
        watch(write_video(tmp_path / "a.mp4", [quadrants()] * 3), out=tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_video_without_faces_is_no_error(tmp_path: Path, recognizer: Recognizer) -> None:
    path = write_video(tmp_path / "a.mp4", [quadrants(320, 240)] * 12)
    watched = watch(path, model=recognizer, out=tmp_path / "out")
    assert watched.tracks == ()
    assert watched.summary()[0] == "no faces"
    assert "looked at 6 of 12 frames" in watched.summary()[1]
    assert len((tmp_path / "out/tracks.csv").read_text().splitlines()) == 1
    assert "no faces" in (tmp_path / "out/contact_sheet.html").read_text()


def test_ctrl_c_writes_what_was_seen(
    film: Path, recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Session.look

    def interrupted(self: Session, frame: Frame) -> None:
        if frame.time > 4:
            raise KeyboardInterrupt
        look(self, frame)

    monkeypatch.setattr(Session, "look", interrupted)
    watched = watch(film, model=recognizer, out=tmp_path / "out")
    assert watched.interrupted
    assert watched.tracks[0].end == pytest.approx(4, abs=0.3)
    assert any("interrupted after 0:04" in line for line in watched.summary())
    assert len((tmp_path / "out/tracks.csv").read_text().splitlines()) == 1 + len(watched.tracks)


def test_the_tables_are_written_while_it_works(
    film: Path, recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SAVE_SECONDS", 0.0)
    look = Session.look

    def dies(self: Session, frame: Frame) -> None:
        if frame.time > 2:
            raise MemoryError
        look(self, frame)

    monkeypatch.setattr(Session, "look", dies)
    with pytest.raises(MemoryError):
        watch(film, model=recognizer, out=tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"tracks.csv", "tracks.json"}
    record = json.loads((tmp_path / "out/tracks.json").read_text())
    assert record["tracks"][0]["end"] == pytest.approx(2, abs=0.3)


def test_what_is_wrong_shows_before_a_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        watch(tmp_path / "none.mp4", model="no/model")
    with pytest.raises(InputError, match="min_frames"):
        watch(tmp_path / "none.mp4", min_frames=0)


def test_a_threshold_needs_a_gallery(tmp_path: Path, recognizer: Recognizer) -> None:
    path = write_video(tmp_path / "a.mp4", [quadrants()] * 3)
    with pytest.raises(InputError, match="threshold: need a gallery; give one"):
        watch(path, model=recognizer, threshold=0.4)
    with pytest.raises(InputError, match="no such folder"):
        watch(path, tmp_path / "none", model=recognizer)


class Passing:
    """Made-up frames: somebody else passes every two seconds."""

    def __init__(self) -> None:
        self.frames = 0

    def find(self, _pixels: NDArray[np.uint8]) -> tuple[list[Any], NDArray[np.float32]]:
        self.frames += 1
        person, step = divmod(self.frames, 10)
        box = (20.0 * step, 50.0, 60.0, 60.0)
        return [face(person % 200, box)] if step < 5 else [], np.empty((0, 4), np.float32)


def test_memory_grows_by_a_few_kilobytes_a_track() -> None:
    session = Session(Passing(), Network(), People({"anna": np.eye(16)[0]}, 0.5))
    pixels = np.zeros((36, 64, 3), np.uint8)

    clock = [0.0]
    tracemalloc.start()
    try:
        for _ in range(100):
            session.look(Frame(0, clock[0], pixels))
            clock[0] += 0.4
        before, tracks = tracemalloc.get_traced_memory()[0], session.tracks
        for _ in range(400):
            session.look(Frame(0, clock[0], pixels))
            clock[0] += 0.4
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert session.tracks - tracks >= 35
    assert (after - before) / (session.tracks - tracks) < 12_000


def test_looking_at_the_results_changes_no_name() -> None:
    answers = iter([Answer("anna", 0.9), *[Answer("bob", 0.8)] * 9])
    gallery = SimpleNamespace(identify=lambda _, poor: [next(answers) for _ in poor])
    finder = SimpleNamespace(
        find=lambda _: ([face(1, (10, 10, 60, 60))], np.empty((0, 4), np.float32))
    )
    session = Session(finder, Network(), gallery)
    for number in range(3):  # then the first decision is made
        session.look(Frame(number, number / 2, np.zeros((36, 64, 3), np.uint8)))
    assert [session.results()[0].name for _ in range(4)] == ["anna"] * 4


def test_the_summary_says_how_few_frames() -> None:
    seen = Watched("a.mp4", (), 1.0, frames=1, decoded=1, left_out=1)
    text = " ".join(seen.summary())
    assert "1 face seen in too few frames (to keep them: --min-frames 1)" in text
    assert "no faces" not in text


def test_a_name_is_told_when_it_is_known() -> None:
    told: list[tuple[float, str]] = []
    anna = SimpleNamespace(identify=lambda _, poor: [Answer("anna", 0.9)] * len(poor))
    finder = SimpleNamespace(
        find=lambda _: ([face(1, (10, 10, 60, 60))], np.empty((0, 4), np.float32))
    )
    session = Session(finder, Network(), anna, on_name=lambda t, n: told.append((t, n)))
    for number in range(20):
        session.look(Frame(number, number / 5, np.zeros((36, 64, 3), np.uint8)))
    assert [(round(time, 1), name) for time, name in told] == [(0.4, "anna")]
    (result,) = session.results()
    assert (result.name, result.known, result.score) == ("anna", True, 0.9)
