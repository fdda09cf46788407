"""``likewise export`` at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

import likewise
from tests.cli.test_commands import answer, run
from tests.conftest import make_photos

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def test_what_the_command_says(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "export", model)
    assert code == 0
    assert "model.onnx: ONNX, opset 18, " in out
    assert "batch size free" in out
    assert "input image: float32 [batch, 3, 32, 32]; embeddings not normalized" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.onnx"]
    found = answer(capsys, "export", model, "--preprocess", "--normalize")
    assert found["file"] == "model.onnx"
    assert found["input"] == {"name": "pixels", "type": "uint8", "shape": ["batch", 32, 32, 3]}
    assert list(found["largest_difference"]) == ["1", "7", "64"]
    assert max(found["largest_difference"].values()) < 1e-5
    assert found["fingerprint"] == likewise.load(model).fingerprint
    assert found["int8"] is None
    photos = make_photos(tmp_path / "photos")
    pair = (photos / "anna/0.png", photos / "bob/0.png")
    by_file, by_model = (answer(capsys, "verify", *pair, "--model", m) for m in (
        "model.onnx", model))  # fmt: skip
    assert by_file["score"] == pytest.approx(by_model["score"], abs=1e-5)
    assert by_file["threshold"] == by_model["threshold"]


def test_int8_then_calibrated(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photos = make_photos(tmp_path / "photos", people=16, each=5)
    code, out, err = run(capsys, "export", model, "--int8", "--photos", photos)
    assert code == 0
    assert "cosine to float32, median of 40 others" in out
    assert "Verification of the held-out photos" in out
    assert "another embedder: calibrate it" in err
    found = answer(capsys, "export", model, "--int8", "--photos", photos)
    assert found["file"] == "model-int8.onnx"
    assert found["verification"]["int8"]["auc"] > found["verification"]["float32"]["auc"] - 0.05
    assert likewise.load("model-int8.onnx").operating_point is None
    answer(capsys, "calibrate", photos, "--model", "model-int8.onnx", "--fmr", 0.1)
    calibrated = likewise.load("model-int8.onnx")
    assert calibrated.operating_point is not None
    assert calibrated.calibration is not None
    assert calibrated.fingerprint == found["fingerprint"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "onx"], "to: unknown value 'onx'; did you mean 'onnx'?"),
        (["--int8"], "needs at least 64 photos to calibrate; name them with --photos"),
        (["--int8", "--to", "torch", "--photos", "photos"], "int8: is for ONNX only"),
        (["--int8", "--photos", "photos"], "holds 12 photos; int8 needs at least 64"),
        (["--int8", "--photos", "nowhere"], "nowhere"),
        (["--out", "m.bin"], "must end in .onnx"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(
    arguments: list[str],
    message: str,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "photos")
    code, out, err = run(capsys, "export", model, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("likewise: ")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_missing_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "export", tmp_path / "nowhere")
    assert code == 2
    assert "not found; a model is the folder" in err
