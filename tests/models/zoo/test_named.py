"""Models by name: InsightFace's packs, hub ids, and the licenses that are told."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import likewise
from likewise.errors import InputError
from likewise.models import loading
from likewise.models.zoo import licenses
from likewise.models.zoo.licenses import license_of_card, warn_of_license

PHOTO = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licenses, "_told", set())


def mean_network(path: Path, size: int = 112, outputs: int = 1, *, scales: bool = False) -> Path:
    """A network whose embedding is the mean of each channel and its negative."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes, constants, photos = [], [], "x"
    if scales:
        numbers = {"half": 127.5, "scale": 0.0078125}
        constants = [helper.make_tensor(name, kind, [1], [n]) for name, n in numbers.items()]
        nodes = [
            helper.make_node("Sub", ["x", "half"], ["centred"]),
            helper.make_node("Mul", ["centred", "scale"], ["scaled"]),
        ]
        photos = "scaled"
    nodes += [
        helper.make_node("GlobalAveragePool", [photos], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Neg", ["flat"], ["negative"]),
        helper.make_node("Concat", ["flat", "negative"], ["out0"], axis=1),
    ]
    nodes += [helper.make_node("Identity", ["flat"], [f"out{n}"]) for n in range(1, outputs)]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", kind, ["b", 3, size, size])],
        [helper.make_tensor_value_info(f"out{n}", kind, None) for n in range(outputs)],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".insightface" / "models"


def test_the_recognition_model_of_a_pack(packs: Path, caplog: pytest.LogCaptureFixture) -> None:
    pack = packs / "buffalo_l"
    mean_network(pack / "1k3d68.onnx", size=192)
    mean_network(pack / "det_10g.onnx", outputs=9)
    mean_network(pack / "genderage.onnx", size=96)
    mean_network(pack / "own_name.onnx")
    with caplog.at_level(logging.WARNING):
        embedder = likewise.load("insightface:buffalo_l")
        likewise.load("insightface:buffalo_l")
    (told,) = caplog.records  # once
    assert "non-commercial research only" in told.getMessage()
    assert embedder.preprocess.alignment == "arcface"
    means = (PHOTO.reshape(-1, 3).mean(0) - 127.5) / 127.5
    found = embedder.embed(PHOTO, normalize=False)[0]
    np.testing.assert_allclose(found, [*means, *-means], atol=1e-5)


def test_a_pack_whose_network_scales_its_photos_itself(packs: Path) -> None:
    mean_network(packs / "antelopev2" / "antelopev2" / "glintr100.onnx", scales=True)
    means = (PHOTO.reshape(-1, 3).mean(0) - 127.5) / 128
    found = likewise.load("insightface:antelopev2").embed(PHOTO, normalize=False)[0]
    np.testing.assert_allclose(found, [*means, *-means], atol=1e-5)


def test_packs_that_are_not_there(packs: Path) -> None:
    with pytest.raises(InputError, match=r"insightface:buffalo_l: no folder .*no pack is there"):
        likewise.load("insightface:buffalo_l")
    mean_network(packs / "buffalo_s" / "det_500m.onnx", outputs=9)
    with pytest.raises(InputError, match="packs there: buffalo_s"):
        likewise.load("insightface:buffalo_l")
    with pytest.raises(InputError, match=r"none of the 1 \.onnx files .* is a recognition model"):
        likewise.load("insightface:buffalo_s")
    with pytest.raises(InputError, match="must be the name of a pack"):
        likewise.load("insightface:../x")


def test_an_onnx_file_run_by_torch_is_the_same_embedder(packs: Path) -> None:
    mean_network(packs / "buffalo_s" / "w600k_mbf.onnx")
    embedder = likewise.load("insightface:buffalo_s")
    expected, fingerprint = embedder.embed(PHOTO), embedder.fingerprint
    assert embedder.source_file is not None
    embedder.module = loading.in_torch(embedder.source_file)
    np.testing.assert_allclose(embedder.embed(PHOTO), expected, atol=1e-6)
    assert embedder.fingerprint == fingerprint


@pytest.mark.parametrize(
    ("card", "license", "told"),
    [
        ("---\nlicense: mit\n---\n# Model", "mit", False),
        ("---\nlicense: apache-2.0\ntags: [x]\n---\n", "apache-2.0", False),
        ("---\nlicense: cc-by-nc-4.0\n---\n", "cc-by-nc-4.0", True),
        ("---\nlicense:\n- cc-by-nc-sa-4.0\n---\n", "cc-by-nc-sa-4.0", True),
        ("---\nlicense: other\nlicense_name: our-research\n---\n", "other, our-research", True),
        ("---\nlicense: other\n---\n", "other", True),
        ("# no front matter\nlicense: cc-by-nc-4.0\n", None, False),
        ("---\nlicense: [broken\n---\n", None, False),
        ("---\n- a list\n---\n", None, False),
    ],
)
def test_the_license_of_a_card(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, card: str, license: str | None, told: bool
) -> None:
    (tmp_path / "README.md").write_text(card)
    assert license_of_card(tmp_path) == license
    with caplog.at_level(logging.WARNING):
        warn_of_license("name/model", license)
        warn_of_license("name/model", license)
    assert len(caplog.records) == told


def test_a_hub_model_under_a_license_for_research(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    folder = likewise.load(model).save(tmp_path / "snapshot")
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    monkeypatch.setattr(loading, "_from_hub", lambda _: folder)
    with caplog.at_level(logging.WARNING):
        likewise.load("name/model")
    assert "name/model: the license of its weights (cc-by-nc-4.0) may forbid" in caplog.text
    # Copies and exports tell it too.
    likewise.load("name/model").save(tmp_path / "copy")
    assert likewise.load(tmp_path / "copy").about["License"] == "cc-by-nc-4.0"
    assert f"{tmp_path / 'copy'}: the license of its weights" in caplog.text


def test_a_name_of_another_kind_is_told() -> None:
    with pytest.raises(InputError, match=r"yunet: is a ready model of another kind \(detector\)"):
        likewise.load("yunet")
    with pytest.raises(InputError, match="sfase: not found; .* or a ready model: sface"):
        likewise.load("sfase")
