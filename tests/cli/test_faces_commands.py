"""`likewise verify` and `likewise identify` on photos of faces."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from likewise.models.loading import load
from likewise.models.zoo.weights import find_weights
from tests.cli.test_commands import answer, run


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for package in ("onnxruntime", "onnx", "lz4"):
        pytest.importorskip(package)
    if any(find_weights(name) is None for name in ("sface", "yunet", "onet")):
        pytest.skip("the extra faces is not installed")
    monkeypatch.delenv("LIKEWISE_MODEL", raising=False)
    return tmp_path


@pytest.fixture
def raw(shared_data: Path) -> Path:
    return shared_data / "lfw/raw_sample"


@pytest.fixture
def people(raw: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    for person in sorted(raw.iterdir())[:2]:
        (folder / person.name).mkdir(parents=True)
        for photo in sorted(person.iterdir())[:2]:
            shutil.copy(photo, folder / person.name / photo.name)
    return folder


def photo_of(raw: Path, who: int, take: int = 2) -> Path:
    return sorted(sorted(raw.iterdir())[who].iterdir())[take]


def test_verify_needs_no_model_and_no_aligned_photos(
    capsys: pytest.CaptureFixture[str], raw: Path, tmp_path: Path
) -> None:
    pair = photo_of(raw, 0, 0), photo_of(raw, 0, 1)
    told = answer(capsys, "verify", *pair)
    assert told["same"] is True
    assert told["far"] == pytest.approx(1e-3, rel=0.05)
    assert [photo["path"] for photo in told["photos"]] == [str(photo) for photo in pair]
    assert told["photos"][0]["face"]["eye_distance"] > 20
    assert answer(capsys, "verify", pair[0], photo_of(raw, 7))["same"] is False
    wall = tmp_path / "wall.png"
    Image.fromarray(np.full((120, 160, 3), 99, np.uint8)).save(wall)
    undecided = answer(capsys, "verify", pair[0], wall)  # exit code 0
    assert undecided["same"] is None
    assert undecided["reasons"][0].startswith(f"{wall}: no face")
    _, out, _ = run(capsys, "verify", pair[0], wall)
    assert out.startswith(f"cannot decide: {wall}: no face")
    _, out, _ = run(capsys, "verify", *pair)
    assert "same person (≥ threshold" in out
    assert "TAR" in out


def test_no_detect_compares_the_photos_as_they_are(
    capsys: pytest.CaptureFixture[str], raw: Path
) -> None:
    pair = photo_of(raw, 0, 0), photo_of(raw, 0, 1)
    found, as_is = answer(capsys, "verify", *pair), answer(capsys, "verify", *pair, "--no-detect")
    assert "photos" not in as_is
    vectors = load("sface").embed(pair)
    assert as_is["score"] == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)
    assert as_is["score"] != found["score"]
    code, _, err = run(capsys, "verify", *pair, "--no-detect", "--face", "best")
    assert (code, err) == (2, "likewise: --face: no faces are looked for; add --detect\n")
    code, _, err = run(capsys, "verify", *pair, "--face", "nicest")
    assert code == 2
    assert "largest, central, clearest, best" in err
    assert run(capsys, "verify", *pair, "--distance", "manhattan")[0] == 2
    code, _, err = run(capsys, "verify", *pair, "--fmr", 0.3)
    assert (code, "was not measured" in err) == (2, True)


def test_identify_needs_a_folder_and_a_photo(
    capsys: pytest.CaptureFixture[str], raw: Path, people: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    photos = [photo_of(raw, 0), photo_of(raw, 20), broken]
    out = tmp_path / "out"
    told = answer(capsys, "identify", *photos, "--gallery", people, "--out", out)
    known, unknown, bad = told["photos"]
    name = photo_of(raw, 0).parent.name
    assert known["faces"][0]["name"] == name
    assert known["faces"][0]["gallery_photo"].startswith(f"{name}/")
    assert len(known["faces"][0]["candidates"]) == 2
    assert all(face["name"] is None for face in unknown["faces"])
    assert bad["problem"] == "not an image, or of an unsupported format"
    gallery = told["gallery"]
    assert (gallery["people"], gallery["photos"], gallery["embedded"]) == (2, 4, 4)
    assert gallery["fpir"] == pytest.approx(0.01)
    assert gallery["comparisons"] == 2
    rows = list(csv.DictReader((out / "faces.csv").read_text().splitlines()))
    assert rows[0]["name"] == name
    assert rows[-1]["note"] == bad["problem"]
    pictures = sorted(path.name for path in out.glob("*.jpg"))
    assert pictures == sorted(f"{photo.stem}.jpg" for photo in photos[:2])
    again = answer(capsys, "identify", photos[0], "--gallery", people)
    assert again["gallery"]["embedded"] == 0
    _, text, err = run(capsys, "identify", photos[0], "--gallery", people)
    assert f"1: {name} (score" in text
    assert "of 1,000 strangers 10 are taken for someone" in err
    _, _, err = run(capsys, "identify", *photos, "--gallery", people)
    assert "3 photos: 1 with someone of the gallery" in err
    assert f"1 broken: {broken}" in err
    strict = answer(capsys, "identify", photos[0], "--gallery", people, "--threshold", 0.99)
    assert strict["photos"][0]["faces"][0]["name"] is None


def test_identify_takes_folders_and_embeddings(
    capsys: pytest.CaptureFixture[str], raw: Path, people: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    for who in (0, 1):
        shutil.copy(photo_of(raw, who), new / f"{who}.jpg")
    told = answer(capsys, "identify", new, "--gallery", people, "--fmr", 1e-3)
    names = [photo["faces"][0]["name"] for photo in told["photos"]]
    assert names == [photo_of(raw, who).parent.name for who in (0, 1)]
    assert told["gallery"]["fmr"] == 1e-3


def test_identify_overwrites_only_what_it_wrote(
    capsys: pytest.CaptureFixture[str], raw: Path, people: Path, tmp_path: Path
) -> None:
    photo, out = photo_of(raw, 0), tmp_path / "out"
    out.mkdir()
    own = out / f"{photo.stem}.jpg"
    own.write_bytes(b"a photo of the user")
    words = ("identify", photo, "--gallery", people, "--out", out)
    code, _, err = run(capsys, *words)
    assert (code, own.read_bytes()) == (2, b"a photo of the user")
    assert f"holds {own.name} already, which this command did not write" in err
    own.unlink()
    assert [run(capsys, *words)[0] for _ in range(2)] == [0, 0]


def test_a_gallery_that_is_gone_is_forgotten(
    capsys: pytest.CaptureFixture[str],
    raw: Path,
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ("identify", photo_of(raw, 0), "--gallery", people)
    cache = tmp_path / "cache"
    monkeypatch.setenv("LIKEWISE_CACHE", str(cache))
    assert run(capsys, *words)[0] == 0
    assert list(cache.rglob("*.jsonl"))
    shutil.rmtree(people)
    assert run(capsys, *words)[0] == 2
    assert not list(cache.rglob("*.jsonl"))


def test_wrong_galleries_and_options_are_one_line(
    capsys: pytest.CaptureFixture[str], raw: Path, people: Path, tmp_path: Path
) -> None:
    photo, empty = photo_of(raw, 0), tmp_path / "empty"
    empty.mkdir()
    note = tmp_path / "note.txt"
    note.write_text("hello")
    for words, message in (
        ([photo, "--gallery", tmp_path / "gone"], "gone: no such folder; a gallery"),
        ([photo, "--gallery", empty], "no subfolder; a gallery has one subfolder per person"),
        ([photo, "--gallery", note], "is no gallery; give a folder"),
        ([empty, "--gallery", people], "no photo in it"),
        ([photo, "--gallery", people, "--fpir", 0], "--fpir: must be between 0 and 1"),
        ([photo, "--gallery", people, "--fpir", 0.1, "--fmr", 0.1], "give one of them"),
        ([photo, "--gallery", people, "--threshold", 7], "--threshold"),
        ([photo, "--gallery", people, "--prior", 1], "--prior"),
        ([photo, "--gallery", people, "--out", people / "x"], "holds the gallery"),
        ([photo, "--gallery", people, "--out", photo.parent], "holds photos that are read"),
    ):
        code, out, err = run(capsys, "identify", *words)
        assert (code, out) == (2, ""), err
        assert message in err
        assert len(err.splitlines()) == 1
    code, _, err = run(capsys, "identify", note, "--gallery", people)
    assert (code, "none of the photos can be read" in err) == (1, True)
