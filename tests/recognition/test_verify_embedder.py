"""``likewise.verify`` with an embedder, with the folder of a model, and with given thresholds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import likewise
from likewise.models.calibration import Calibration
from likewise.models.embedder import Embedder
from likewise.models.operating_point import OperatingPoint
from tests.pages.test_shown import assert_on_a_screen


@pytest.fixture
def embedder(model: Path) -> Embedder:
    """A model with thresholds at three false match rates, and a calibration."""
    found = likewise.load(model)
    found.operating_points = tuple(
        OperatingPoint(threshold, far=0.9 * rate, tar=0.9, genuine=100, impostor=9999, target=rate)
        for threshold, rate in ((0.2, 1e-1), (0.4, 1e-2), (0.6, 1e-3))
    )
    found.operating_point = found.operating_points[2]
    found.calibration = Calibration("logistic", slope=4.0)
    return found


@pytest.fixture
def pair(photos: Path) -> tuple[Path, Path]:
    return photos / "anna" / "0.png", photos / "bob" / "1.png"


def test_score_probability_same_and_rate(embedder: Embedder, pair: tuple[Path, Path]) -> None:
    a, b = embedder.embed([*pair])
    answer = likewise.verify(*pair, embedder)
    assert answer.score == pytest.approx(float(a @ b), abs=1e-6)
    assert answer.probability == pytest.approx(1 / (1 + np.exp(-4 * float(a @ b))), abs=1e-5)
    assert answer.threshold == 0.6
    assert answer.fmr == pytest.approx(9e-4)
    assert answer.same == (float(a @ b) >= 0.6)
    assert likewise.verify(*pair, embedder, fmr=1e-1).threshold == 0.2


@pytest.mark.parametrize(
    ("threshold", "rate"), [(0.1, None), (0.2, 9e-2), (0.5, 9e-3), (0.99, 9e-4)]
)
def test_the_rate_at_a_given_threshold_is_an_upper_bound(
    threshold: float, rate: float | None, embedder: Embedder, pair: tuple[Path, Path]
) -> None:
    answer = likewise.verify(*pair, embedder, threshold=threshold)
    assert answer.same == (answer.score is not None and answer.score >= threshold)
    assert answer.fmr == (None if rate is None else pytest.approx(rate))
    assert answer.point is None


def test_other_distances_have_no_measured_rate(embedder: Embedder, pair: tuple[Path, Path]) -> None:
    answer = likewise.verify(*pair, embedder, threshold=-1.0, distance="euclidean")
    assert (answer.fmr, answer.probability) == (None, None)


def test_a_folder_gives_the_same_answer(
    embedder: Embedder, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    expected = likewise.verify(*pair, embedder)
    folder = embedder.save(tmp_path / "saved")
    for model in (folder, str(folder)):
        found = likewise.verify(str(pair[0]), str(pair[1]), model)
        assert found.score == pytest.approx(expected.score)
        assert (found.same, found.fmr) == (expected.same, expected.fmr)


def test_the_answer_shows_itself(embedder: Embedder, pair: tuple[Path, Path]) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    answer = likewise.verify(pair[0], pixels, embedder)
    shown = assert_on_a_screen(answer)
    assert "0.0009" in shown.words
    (row,) = answer.to_pandas().to_dict("records")
    assert (row["a"], row["b"], row["score"]) == (str(pair[0]), "b", answer.score)
    assert repr(answer).startswith("VerificationAnswer: ")
