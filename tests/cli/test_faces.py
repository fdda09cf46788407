"""``likewise faces`` from its command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_commands import answer, run

pytest.importorskip("onnxruntime")
pytest.importorskip("lz4")


@pytest.fixture
def folder(shared_data: Path, tmp_path: Path) -> Path:
    """A photo of two faces, one without a face, and a broken one."""
    groups = shared_data / "faces/voc_faces"
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    (photos / "two.jpg").write_bytes((groups / "2008_001009.jpg").read_bytes())
    Image.new("RGB", (300, 200), "white").save(photos / "more" / "two.png")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    return photos


def test_a_photo_of_another_folder_is_not_overwritten(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "holidays"
    out.mkdir()
    (out / "two.jpg").write_bytes(b"of mine")
    code, _, err = run(capsys, "faces", folder / "two.jpg", "--out", out)
    assert code == 2
    assert "holds two.jpg already" in err
    assert (out / "two.jpg").read_bytes() == b"of mine"
    assert [path.name for path in out.iterdir()] == ["two.jpg"]
    for _ in range(2):  # a second run replaces the first one
        assert run(capsys, "faces", folder / "two.jpg", "--out", tmp_path / "found")[0] == 0
    assert json.loads((tmp_path / "found/faces.json").read_text())["finished"] is True


def test_faces_are_listed_drawn_and_cut_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    found = answer(capsys, "faces", folder, "--out", out, "--crops")
    assert found["alignment"] == "arcface-112 yunet+onet"
    assert [one["path"] for one in found["broken"]] == [str(folder / "broken.jpg")]
    nothing, two = sorted(found["photos"], key=lambda photo: len(photo["faces"]))
    assert nothing["no_face"].startswith("no face, nor anything like one")
    assert two["no_face"] is None
    assert len(two["faces"]) == 2
    for face in two["faces"]:
        x, y, width, height = face["box"]
        assert list(face["points"]) == [
            "left_eye",
            "right_eye",
            "nose",
            "mouth_left",
            "mouth_right",
        ]
        assert all(x < px < x + width and y < py < y + height for px, py in face["points"].values())
        assert face["score"] > 0.8
    assert json.loads((out / "faces.json").read_text()) == found
    drawn = "two-2.jpg"  # two is more/two.png, whether or not a face is in it
    assert two["drawn"] == drawn
    assert sorted(path.name for path in out.iterdir()) == ["crops", "faces.json", drawn]
    crops = [np.asarray(Image.open(out / name)) for name in two["crops"]]
    assert [crop.shape for crop in crops] == [(112, 112, 3)] * 2
    after, photo = (np.asarray(Image.open(path), int) for path in (out / drawn, folder / "two.jpg"))
    assert after.shape == photo.shape
    assert np.abs(after - photo).max() > 100


def test_people_read_tables_and_reasons(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "faces", folder / "two.jpg", folder / "more")
    assert code == 0
    assert "two.jpg: 2 faces" in " ".join(out.split())
    assert "no face, nor anything like one, also with the photo turned" in out
    assert "2 faces in 2 photos; 1 without a face" in err


def test_mistakes_are_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = folder / "two.jpg"
    assert run(capsys, "faces", two, "--crops")[0::2] == (
        2, "likewise: --crops: needs --out FOLDER, the folder to write them into\n",
    )  # fmt: skip
    code, _, err = run(capsys, "faces", two, "--out", folder)
    assert (code, "holds photos that are read; choose another folder" in err) == (2, True)
    code, _, err = run(capsys, "faces", two, "--detector", "yunett")
    assert (code, "did you mean 'yunet'" in err) == (2, True)
    code, _, err = run(capsys, "faces", tmp_path / "gone.jpg")
    assert (code, err) == (2, f"likewise: {tmp_path / 'gone.jpg'}: no such file\n")
    (tmp_path / "empty").mkdir()
    assert run(capsys, "faces", tmp_path / "empty")[0] == 2
    code, out, err = run(capsys, "faces", folder / "broken.jpg")
    assert (code, out) == (1, "")
    assert "left out: " in err
    assert err.endswith("likewise: none of the photos can be read\n")
