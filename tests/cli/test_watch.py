"""``likewise watch`` from its command line: output, files, errors and exit codes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import likewise
from likewise.errors import LikewiseError
from likewise.recognition.video.watch import watch
from tests.cli.test_commands import answer, run

pytest.importorskip("av", reason="the extra video is not installed")
from tests.recognition.video.film import pan, photo
from tests.recognition.video.videos import quadrants, write_sound, write_video


@pytest.fixture(scope="module", autouse=True)
def _ready() -> None:
    """Skip where SFace or the detector is not installed."""
    for package in ("onnxruntime", "onnx", "lz4"):
        pytest.importorskip(package)
    from likewise.models.zoo.weights import weights_path

    try:
        for name in ("sface", "yunet", "onet"):
            weights_path(name)
    except LikewiseError as error:
        pytest.skip(str(error))


@pytest.fixture
def film(shared_data: Path, tmp_path: Path) -> Path:
    """Two seconds of one person, then two of another."""
    raw = shared_data / "lfw" / "raw_sample"
    frames = [
        *pan(photo(raw, "William_Macy", 0, 340), 2),
        *pan(photo(raw, "Steve_Nash", 0, 340), 2),
    ]
    return write_video(tmp_path / "door.mp4", frames)


def test_a_folder_of_people_names_the_tracks(
    film: Path,
    shared_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    people = tmp_path / "people"
    raw = shared_data / "lfw" / "raw_sample"
    (people / "Bill").mkdir(parents=True)
    (people / "Bill" / "a.jpg").write_bytes(
        (raw / "William_Macy" / "William_Macy_0003.jpg").read_bytes()
    )
    found = answer(capsys, "watch", film, "--gallery", people, "--out", tmp_path / "out")
    assert [track["name"] for track in found["tracks"]][:1] == ["Bill"]
    assert found["people"] == ["Bill"]
    assert {track["name"] for track in found["tracks"][1:]} == {"unknown"}
    assert found["tracks"][0]["photo"] == "Bill/a.jpg"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "contact_sheet.html", "contact_sheet.jpg", "tracks.csv", "tracks.json",
    ]  # fmt: skip
    code, out, err = run(capsys, "watch", film, "--gallery", people, "--every", 5)
    assert code == 0
    assert "Bill" in out
    assert "looked at 8 of 40 frames" in out
    assert "0:01.0 Bill" in err  # as soon as it is known
    code, out, _ = run(capsys, "watch", film, "--every", 5)
    assert "person 1" in out


def test_the_python_of_the_page_runs(
    film: Path, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    page = (Path(__file__).parents[2] / "docs" / "video.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    person = tmp_path / "people" / "Bill"
    person.mkdir(parents=True)
    photo = shared_data / "lfw/raw_sample/William_Macy/William_Macy_0003.jpg"
    (person / "a.jpg").write_bytes(photo.read_bytes())
    assert film.name == "door.mp4"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(likewise, "watch", watch, raising=False)
    exec(compile(code, "docs/video.md", "exec"), {})
    assert capsys.readouterr().out.startswith("Bill 0.0 1.8 ")
    assert (tmp_path / "watched" / "tracks.csv").exists()


def test_a_video_without_faces_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_video(tmp_path / "a.mp4", [quadrants(160, 120)] * 20)
    code, out, _ = run(capsys, "watch", path)
    assert code == 0
    assert out.splitlines()[0] == "no faces"
    assert "looked at 10 of 20 frames, 0:01.9" in out
    assert answer(capsys, "watch", path)["tracks"] == []


def test_ctrl_c_says_and_writes_what_was_seen(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from likewise.recognition.video.session import Session

    look = Session.look

    def interrupted(self: Session, frame: object) -> None:
        if frame.time > 1.5:  # type: ignore[attr-defined]  # a Frame
            raise KeyboardInterrupt
        look(self, frame)  # type: ignore[arg-type]  # a Frame

    monkeypatch.setattr(Session, "look", interrupted)
    code, out, err = run(capsys, "watch", film, "--out", tmp_path / "out")
    assert code == 130
    assert "1 track of faces: 1 person" in out
    assert "interrupted after 0:01.6" in out
    assert err.splitlines()[-1] == "likewise: interrupted"
    assert (tmp_path / "out" / "contact_sheet.html").exists()


def test_what_cannot_be_watched_gets_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    sound = write_sound(tmp_path / "sound.wav")
    for video, reason in {
        tmp_path / "none.mp4": "no such file",
        tmp_path / "text.mp4": "is not a video that can be read",
        sound: "has only sound",
        "camera:77": "no such camera",
    }.items():
        code, out, err = run(capsys, "watch", video, "--out", tmp_path / "out")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"likewise: {video}: ")
        assert reason in err
    assert not (tmp_path / "out").exists()
    video = write_video(tmp_path / "a.mp4", [quadrants()] * 3)
    assert run(capsys, "watch", video, "--fps", 1, "--every", 1)[0] == 2
    assert run(capsys, "watch", video, "--fps", 0)[0] == 2
    monkeypatch.setitem(sys.modules, "av", None)
    code, _, err = run(capsys, "watch", video)
    assert (code, err) == (
        1,
        "likewise: watch needs an extra package; install it with: pip install 'likewise[video]'\n",
    )
