from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from likewise.errors import InputError
from likewise.faces.detectors.yunet import YuNet, _decode
from likewise.models.zoo.weights import weights_path


@pytest.mark.parametrize("size", [(500, 333), (320, 320), (97, 211)])
def test_boxes_points_and_scores_are_those_of_opencv(
    yunet: YuNet, groups: Path, size: tuple[int, int]
) -> None:
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2, "FaceDetectorYN"):
        pytest.skip("this OpenCV has no FaceDetectorYN")
    photo = Image.open(groups / "2007_007763.jpg").convert("RGB").resize(size)
    pixels = np.asarray(photo)
    theirs = cv2.FaceDetectorYN.create(str(weights_path("yunet")), "", size, 0.5, 0.3)
    _, rows = theirs.detect(np.ascontiguousarray(pixels[:, :, ::-1]))
    ours = yunet.detect(pixels, 0.5)
    rows = np.zeros((0, 15)) if rows is None else rows[np.argsort(-rows[:, 14], kind="stable")]
    assert len(rows) == len(ours.scores)
    np.testing.assert_allclose(ours.boxes, rows[:, :4], atol=1e-3)
    np.testing.assert_allclose(ours.points.reshape(-1, 10), rows[:, 4:14], atol=1e-3)
    np.testing.assert_allclose(ours.scores, rows[:, 14], atol=1e-5)


def test_decoding_equals_a_plain_loop() -> None:
    rng, columns, stride = np.random.default_rng(0), 4, 16
    outputs = {
        f"{kind}_{stride}": rng.uniform(-0.2, 1.2, (1, 12, width)).astype(np.float32)
        for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    }
    found = _decode(outputs, stride, columns, 0.5)
    row = 0
    for cell in range(12):
        parts = {kind: outputs[f"{kind}_{stride}"][0, cell] for kind in ("cls", "obj", "bbox")}
        clipped = [min(max(float(parts[kind][0]), 0.0), 1.0) for kind in ("cls", "obj")]
        score = (clipped[0] * clipped[1]) ** 0.5
        if score < 0.5:
            continue
        x, y = cell % columns, cell // columns
        dx, dy, width, height = parts["bbox"]
        width, height = np.exp(width) * stride, np.exp(height) * stride
        left, top = (x + dx) * stride - width / 2, (y + dy) * stride - height / 2
        np.testing.assert_allclose(found.boxes[row], [left, top, width, height], rtol=1e-5)
        points = outputs[f"kps_{stride}"][0, cell]
        expected = [((x + points[2 * k]) * stride, (y + points[2 * k + 1]) * stride)
                    for k in range(5)]  # fmt: skip
        np.testing.assert_allclose(found.points[row], expected, rtol=1e-5)
        assert found.scores[row] == pytest.approx(score, rel=1e-5)
        row += 1
    assert row == len(found.scores) > 0


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (8, 8)])
def test_a_photo_of_any_size_is_looked_at(yunet: YuNet, size: tuple[int, int]) -> None:
    found = yunet.detect(np.zeros((*size, 3), np.uint8))
    assert found.boxes.shape == (0, 4)
    assert found.points.shape == (0, 5, 2)


def test_thresholds_are_checked() -> None:
    with pytest.raises(InputError, match="least_score: 2; must be a number from 0 to 1"):
        YuNet(least_score=2)
