"""The finder, real photos with faces, and a reference embedding of their crops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from likewise.errors import LikewiseError
from likewise.faces.detectors.yunet import YuNet
from likewise.faces.finder import FaceFinder
from likewise.faces.landmarks.onet import ONet

Similarity = Callable[[NDArray[np.uint8], Path], float]


def needs_networks() -> None:
    """Skip the test where the extra ``faces`` is not installed."""
    for package in ("onnxruntime", "onnx", "lz4"):
        pytest.importorskip(package)


@pytest.fixture(scope="session")
def finder() -> FaceFinder:
    needs_networks()
    try:
        return FaceFinder()
    except LikewiseError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def yunet(finder: FaceFinder) -> YuNet:
    assert isinstance(finder.detector, YuNet)
    return finder.detector


@pytest.fixture(scope="session")
def onet(finder: FaceFinder) -> ONet:
    assert isinstance(finder.landmarker, ONet)
    return finder.landmarker


@pytest.fixture(scope="session")
def raw(shared_data: Path) -> list[Path]:
    """Photos of LFW as they were taken, one of each of 45 people."""
    return sorted((shared_data / "lfw/raw_sample").rglob("*_0001.jpg"))


@pytest.fixture(scope="session")
def groups(shared_data: Path) -> Path:
    """Photos with several faces, or none."""
    return shared_data / "faces/voc_faces"


@pytest.fixture(scope="session")
def similarity(shared_data: Path) -> Similarity:
    """The cosine of a crop with the given crop of a photo of LFW, by the reference model."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(shared_data / "models/mobilefacenet_ms1m_128.onnx")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])

    def embed(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = ((crop / 255 - mean) / deviation).astype(np.float32).transpose(2, 0, 1)[None]
        (vector,) = session.run(None, {"input0": pixels})[0]
        return vector / np.linalg.norm(vector)

    def cosine(crop: NDArray[np.uint8], photo: Path) -> float:
        given = shared_data / "lfw/aligned112" / photo.parent.name / photo.name
        return float(embed(crop) @ embed(np.asarray(Image.open(given).convert("RGB"))))

    return cosine
