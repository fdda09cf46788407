"""int8: calibrated on photos, its loss measured on others, and never mixed with float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import likewise
from likewise.data.embeddings import require_same_embedder
from likewise.data.formats import read_manifest
from likewise.errors import InputError
from likewise.models.calibration import Calibration
from likewise.models.export import export, quantization
from tests.conftest import make_photos
from tests.models.export.test_onnx_export import embedder_of, session

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 people with five photos each; one photo is broken."""
    folder = make_photos(tmp_path_factory.mktemp("people") / "photos", people=16, each=5)
    (folder / "person03" / "4.png").write_bytes(b"no photo")
    return folder


def test_int8_is_close_and_is_another_embedder(people: Path, tmp_path: Path) -> None:
    embedder = embedder_of("contrastnet")
    embedder.calibration = Calibration("logistic", 10.0, -4.0)
    done = export(
        embedder, tmp_path / "m.onnx", int8=True, photos=people, preprocess=True, normalize=True
    )
    loss = done.quantization
    assert loss is not None
    assert done.held_out is not None
    assert loss.calibration_photos + loss.held_out_photos == 79
    assert [bad.name.endswith("person03/4.png") for bad in done.bad_images] == [True]
    assert loss.median_cosine > 0.98
    assert loss.p5_cosine > 0.95
    assert loss.relative_time > 0
    back = likewise.load(tmp_path / "m.onnx")
    assert back.fingerprint == done.fingerprint == back.own_fingerprint
    assert back.calibration is None
    assert back.operating_points == ()
    with pytest.raises(InputError, match="another embedder"):
        require_same_embedder(back.fingerprint, embedder.fingerprint, "index")
    full, small = done.held_out
    assert full.fingerprint == embedder.fingerprint
    assert small.fingerprint == back.fingerprint
    # The loss by a plain loop, from the original in torch and from the file alone.
    cosines = []
    for name in full.names:
        photo = embedder.preprocess.pixels(people / name).numpy().transpose(1, 2, 0)[None]
        (vector,) = session(done.path).run(None, {"pixels": photo})
        cosines.append(float(vector[0] @ embedder.embed(photo)[0]))
    assert np.median(cosines) == pytest.approx(loss.median_cosine, abs=1e-3)
    size = (tmp_path / "m.onnx").stat().st_size
    export(embedder, tmp_path / "full.onnx")
    assert size < (tmp_path / "full.onnx").stat().st_size / 2


def test_int8_runs_in_openvino(people: Path, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    done = export(embedder_of("contrastnet"), tmp_path / "m.onnx", int8=True, photos=people)
    run = openvino.compile_model(str(done.path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    images = np.random.default_rng(0).normal(size=(7, 3, 32, 32)).astype(np.float32)
    (wanted,) = session(done.path).run(None, {"image": images})
    got = run(images)[0]
    cosines = (got * wanted).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosines.min() > 0.99


def test_calibration_and_held_out_photos_are_of_other_people(people: Path) -> None:
    manifest = read_manifest(people)
    rows, others = quantization.divide(manifest, seed=1)
    assert len(rows) == len(others) == 40
    assert not set(rows) & set(others)
    mixed = set(manifest.labels[rows]) & set(manifest.labels[others])
    assert len(mixed) <= 1  # the one in the middle
    again = quantization.divide(manifest, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(again, (rows, others), strict=True))


def test_too_few_photos_are_refused(people: Path, tmp_path: Path) -> None:
    few = read_manifest(people).take(range(63))
    with pytest.raises(InputError, match="holds 63 photos; int8 needs at least 64"):
        export(embedder_of("contrastnet"), tmp_path / "m.onnx", int8=True, photos=few)
    for number, photo in enumerate(sorted(people.glob("*/*.png"))):
        link = tmp_path / "broken" / photo.parent.name / photo.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_bytes(photo.read_bytes() if number % 3 == 0 else b"no photo")
    with pytest.raises(InputError, match=r"to calibrate on cannot be read .* int8 needs more"):
        export(
            embedder_of("contrastnet"), tmp_path / "m.onnx", int8=True, photos=tmp_path / "broken"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]
    with pytest.raises(InputError, match="is for ONNX only"):
        export(embedder_of("contrastnet"), tmp_path / "m.pt2", to="torch", int8=True, photos=people)


def test_photos_may_lie_in_one_folder_and_the_license_stays(people: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for photo in sorted(people.glob("*/*.png")):
        (tmp_path / "photos" / f"{photo.parent.name}-{photo.name}").write_bytes(photo.read_bytes())
    embedder = embedder_of("contrastnet")
    embedder.about = {"License": "MIT", "Accuracy": "of the original"}
    done = export(embedder, tmp_path / "m.onnx", int8=True, photos=tmp_path / "photos")
    assert done.quantization is not None
    assert done.quantization.calibration_photos >= 39  # one photo is broken
    about = likewise.load(tmp_path / "m.onnx").about
    assert about["License"] == "MIT"
    assert "Accuracy" not in about
