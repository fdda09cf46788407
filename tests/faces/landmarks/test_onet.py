from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from likewise.faces.detectors.yunet import YuNet
from likewise.faces.landmarks.averaged import locate_averaged
from likewise.faces.landmarks.onet import ARRAYS, ONet
from likewise.faces.landmarks.turns import between
from likewise.models.zoo.weights import weights_path


def test_the_numbers_are_those_of_the_file(onet: ONet) -> None:
    """What is read from known places equals what joblib unpickles; the weights' package is MIT."""
    joblib = pytest.importorskip("joblib")
    lz4 = pytest.importorskip("lz4.frame")
    content = lz4.decompress(weights_path("onet").read_bytes())
    arrays = joblib.load(weights_path("onet"))
    wanted = [array for array in arrays if array.shape[-1] != 4]  # a better box, not needed
    assert len(wanted) == len(ARRAYS)
    for (first, shape), array in zip(ARRAYS, wanted, strict=True):
        found = np.frombuffer(content, "<f4", int(np.prod(shape)), first).reshape(shape)
        np.testing.assert_array_equal(found, array)


def test_points_turn_with_the_photo(onet: ONet, yunet: YuNet, raw: list[Path]) -> None:
    photo = Image.open(raw[0]).convert("RGB")
    box = yunet.detect(np.asarray(photo)).boxes[:1]
    upright = onet.locate(photo, box)
    assert upright.scores[0] > 0.99
    x, y, width, height = box[0]
    turned = photo.rotate(-90, expand=True)  # clockwise: pixel (x, y) goes to (H - 1 - y, x)
    box = np.array([[photo.height - 1 - y - height, x, height, width]], np.float32)
    found = onet.locate(turned, box, np.array([90], np.float32))
    expected = np.stack([photo.height - 1 - upright.points[0, :, 1], upright.points[0, :, 0]], 1)
    # In pixels: the crop is cut at other places between the pixels.
    np.testing.assert_allclose(found.points[0], expected, atol=1.5)
    assert between(found.turns[0], upright.turns[0]) == pytest.approx(90, abs=2)


def test_the_mean_of_shifted_boxes_lies_between_them(
    onet: ONet, yunet: YuNet, raw: list[Path]
) -> None:
    photo = Image.open(raw[1]).convert("RGB")
    box = yunet.detect(np.asarray(photo)).boxes[:1]
    one, mean = onet.locate(photo, box), locate_averaged(onet, photo, box)
    assert np.abs(one.points - mean.points).max() < 4
    assert one.scores == pytest.approx(mean.scores)
    assert locate_averaged(onet, photo, box[:0]).points.shape == (0, 5, 2)


def test_it_can_be_pickled(onet: ONet, yunet: YuNet) -> None:
    for network in (onet, yunet):
        assert pickle.loads(pickle.dumps(network)).name == network.name
