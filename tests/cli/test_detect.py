"""``--detect``, the notice, and ``data align`` from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import likewise
from likewise.data.alignment import _warn_once, write_alignment
from likewise.data.formats import read_manifest
from likewise.errors import LikewiseError
from likewise.faces.aligned_set.settings import AlignSettings
from tests.cli.test_commands import answer, run
from tests.conftest import make_photos, quick_recipe


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("likewise.faces.aligned_set.notice.SECONDS", 60.0)
    _warn_once.cache_clear()
    yield
    _warn_once.cache_clear()


@pytest.fixture
def lfw(shared_data: Path, tmp_path: Path) -> Path:
    """Eight people of LFW with three raw photos each, and one without a face."""
    raw = shared_data / "lfw" / "raw_sample"
    if not raw.is_dir():
        pytest.skip("no raw photos of LFW here")
    try:
        AlignSettings().finder()
    except LikewiseError as error:
        pytest.skip(str(error))
    for folder in sorted(raw.iterdir())[:8]:
        target = tmp_path / "lfw" / folder.name
        target.mkdir(parents=True)
        for photo in folder.iterdir():
            (target / photo.name).symlink_to(photo)
    make_photos(tmp_path / "drawn", people=1, each=1)
    (tmp_path / "drawn" / "person00" / "0.png").rename(target / "noise.png")
    return tmp_path / "lfw"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(quick_recipe("schedule.epochs=1").to_yaml())
    return path


def test_photos_are_aligned_first_and_the_result_says_so(
    lfw: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    out = tmp_path / "e.parquet"
    command = ("embed", lfw, "--model", model, "--out", out)
    code, shown, err = run(capsys, *command, "--detect")
    assert code == 0
    assert "24 of 25 photos have a face, aligned to arcface-112 yunet+onet" in err
    assert "left out, no face: 1 (" in err
    assert "24 embeddings" in shown
    found = answer(capsys, *command, "--detect")
    assert found["alignment"] == "arcface-112 yunet+onet"
    assert [bad["reason"][:8] for bad in found["bad_images"]] == ["no face,"]
    embedded = likewise.read_embeddings(out)
    assert embedded.alignment == "arcface-112 yunet+onet"
    kept = [name for name in read_manifest(lfw).names if "noise" not in name]
    assert embedded.names == kept
    found = answer(capsys, "evaluate", out, "--tasks", "none", "--replicates", 0)
    assert found["settings"]["alignment"] == "arcface-112 yunet+onet"
    code, _, err = run(capsys, "index", "build", out, "--out", tmp_path / "index")
    assert code == 0
    write_alignment(lfw, "ffhq-512 yunet+onet")
    other = tmp_path / "other.parquet"
    assert run(capsys, "embed", lfw, "--model", model, "--out", other)[0] == 0
    code, _, err = run(capsys, "index", "search", tmp_path / "index", "--queries", other)
    assert code == 0
    assert caplog.text.count("faces aligned to 'arcface' and to 'ffhq'") == 1


def test_a_model_remembers_the_alignment_of_its_photos(
    lfw: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    command = ("train", lfw, "--out", tmp_path / "run", "--recipe", recipe, "--detect")
    code, _, err = run(capsys, *command)
    assert code == 0, err
    assert "24 of 25 photos have a face" in err
    embedder = likewise.load(tmp_path / "run" / "model")
    assert embedder.preprocess.alignment == "arcface"
    card = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert card["preprocess"]["alignment"] == "arcface"
    # Photos as they are, for a model of aligned ones: noticed; of another template: a warning.
    command = ("embed", lfw, "--model", tmp_path / "run" / "model", "--out", tmp_path / "e.parquet")
    code, _, err = run(capsys, *command)
    assert code == 0
    assert "notice: " in err
    assert "add --detect, or run: likewise data align" in err
    assert "notice" not in run(capsys, *command, "--no-detect")[2]
    assert "notice" not in run(capsys, *command, "--detect")[2]
    write_alignment(lfw, "ffhq-512 yunet+onet")
    assert run(capsys, *command)[0] == 0
    assert "faces aligned to 'arcface' and to 'ffhq'" in caplog.text


def test_photos_as_they_are_are_noticed(
    lfw: Path, model: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("train", lfw, "--out", tmp_path / "run", "--recipe", recipe)
    code, _, err = run(capsys, *command)
    assert code == 0
    assert f"notice: {lfw}: faces that are not aligned (24 of 25 sampled)" in err
    # A model that was trained on photos as they are wants them so.
    code, _, err = run(capsys, "embed", lfw, "--model", model, "--out", tmp_path / "e.parquet")
    assert code == 0
    assert "notice" not in err
    found = answer(capsys, "data", "inspect", lfw, "--out", tmp_path / "report")
    assert any("faces that are not aligned (24 of 25" in note for note in found["notes"])
    assert "faces that are not aligned" in (tmp_path / "report" / "inspect.html").read_text()
    found = answer(capsys, "data", "inspect", lfw, "--detect")
    assert (found["photos"], found["alignment"]) == (24, "arcface-112 yunet+onet")
    assert not any("not aligned" in note for note in found["notes"])


def test_data_align_writes_a_folder_and_says_what_came_of_it(
    lfw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "aligned"
    code, shown, err = run(capsys, "data", "align", lfw, out)
    assert code == 0, err
    assert "24 of 25 photos have a face" in shown
    assert "noise.png: no face" in err
    assert str(out / "alignment.html") in shown
    code, _, err = run(capsys, "data", "align", lfw, out)
    assert (code, "continue with --resume" in err) == (2, True)
    found = answer(capsys, "data", "align", lfw, out, "--resume")
    assert (found["aligned_now"], found["crops"], found["none"]) == (0, 24, 1)
    assert len(read_manifest(out)) == 24


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--template", "arcfacee"), "did you mean 'arcface'"),
        (("--faces", "biggest"), "largest"),
        (("--detector", "haar"), "yunet"),
        (("--crop-size", "8"), "crop-size"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    options: tuple[str, str], reason: str, photos: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    code, _, err = run(capsys, "data", "align", photos, tmp_path / "out", *options)
    assert code == 2
    assert reason in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_wrong_rule_is_told_by_the_name_of_its_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photos(tmp_path / "photos", people=1, each=1)
    code, _, err = run(capsys, "data", "align", photos, tmp_path / "out", "--faces", "bigest")
    assert code == 2
    assert "--faces: unknown value 'bigest'" in err


def test_photos_without_any_face_are_a_failure(
    lfw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photos(tmp_path / "photos", people=1, each=2)
    code, out, err = run(capsys, "data", "align", photos, tmp_path / "out", "--json")
    assert code == 1
    assert json.loads(out)["crops"] == 0
    assert "no face in any of the 2 photos" in err
    assert (tmp_path / "out" / "alignment.html").exists()
