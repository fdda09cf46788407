"""A recogniser around the reference model, and real photos with several faces or none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from likewise.data.preprocess import Preprocess
from likewise.models.calibration import Calibration
from likewise.models.embedder import Embedder
from likewise.models.operating_point import OperatingPoint
from likewise.recognition.recognizer import Recognizer

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
# Of two million random impostor pairs of the aligned photos of LFW.
POINTS = tuple(
    OperatingPoint(threshold, fmr, tar, 242_257, 87_312_271, target=fmr)
    for threshold, fmr, tar in (
        (0.254, 1e-2, 0.99), (0.338, 1e-3, 0.98), (0.405, 1e-4, 0.96), (0.469, 1e-5, 0.92),
    )
)  # fmt: skip


@cache
def reference_model(path: Path) -> Embedder:
    from likewise.models.importing import import_onnx

    embedder = import_onnx(path, Preprocess(112, 112, **IMAGENET))
    embedder.preprocess = replace(embedder.preprocess, alignment="arcface")
    embedder.operating_points = POINTS
    embedder.operating_point = POINTS[1]
    embedder.calibration = Calibration("logistic", slope=30.0, intercept=-9.0)
    return embedder


@pytest.fixture(scope="session")
def recognizer(shared_data: Path) -> Recognizer:
    for package in ("onnxruntime", "onnx", "lz4"):
        pytest.importorskip(package)
    from likewise.errors import LikewiseError

    try:
        return Recognizer(reference_model(shared_data / "models/mobilefacenet_ms1m_128.onnx"))
    except LikewiseError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def raw(shared_data: Path) -> Path:
    """Photos of LFW as they were taken: 45 people with three each."""
    return shared_data / "lfw/raw_sample"


@pytest.fixture(scope="session")
def aligned(shared_data: Path) -> Path:
    """The crops of all photos of LFW."""
    return shared_data / "lfw/aligned112"


@pytest.fixture(scope="session")
def groups(shared_data: Path) -> Path:
    """Photos with several faces."""
    return shared_data / "faces/voc_faces"
