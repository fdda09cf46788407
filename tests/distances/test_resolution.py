"""Cosines nearer than float32 can tell apart are ties, and nothing is ranked by its rounding."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from likewise.data.embeddings import Embeddings
from likewise.distances import Cosine
from likewise.distances.resolution import RESOLUTION, indistinguishable, mean_cosine, round_cosines
from likewise.evaluation.calibration.fit import NotIncreasing, calibrate
from likewise.evaluation.experiment import evaluate
from likewise.evaluation.verification.all_pairs import verify_all_pairs
from likewise.models.embedder import Embedder


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def alike(spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Ten people with four photos each, all about one direction; people differ by ``spread``."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 4)
    people = random.normal(size=(10, 64))[labels]
    rows = random.normal(size=64) + spread * people + spread / 100 * random.normal(size=(40, 64))
    return unit(rows), labels


def embeddings_of(vectors: np.ndarray, labels: np.ndarray) -> Embeddings:
    names = [f"{label}/{row}" for row, label in enumerate(labels)]
    people = [f"person{label}" for label in labels]
    return Embeddings(vectors, pa.table({"path": names, "identity": people}), "f")


def test_products_of_float32_unit_vectors_are_off_by_less_than_the_resolution() -> None:
    random = np.random.default_rng(1)
    for width in (2, 64, 512):
        rows = unit(random.normal(size=(400, width)))
        exact = rows.astype(np.float64)
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
        off = np.abs((rows @ rows.T).astype(np.float64) - exact @ exact.T).max()
        assert off < RESOLUTION


def test_a_photo_with_itself_has_the_cosine_one() -> None:
    rows = unit(np.random.default_rng(2).normal(size=(2000, 128)))
    plain = Cosine().score_paired(rows, rows).astype(np.float64)
    assert (plain < 1).any()  # float32 products alone miss it
    assert (round_cosines(plain) == 1).all()


def test_the_mean_cosine_is_that_of_a_loop() -> None:
    rows = unit(np.random.default_rng(3).normal(size=(20, 8)) + 1)
    pairs = [float(rows[i] @ rows[j]) for i in range(20) for j in range(20) if i != j]
    assert mean_cosine(rows) == pytest.approx(np.mean(pairs), abs=1e-6)
    assert mean_cosine(rows[:1]) == 0
    lengths = np.linspace(0.01, 50, 20)[:, None].astype(np.float32)
    assert mean_cosine(lengths * rows) == pytest.approx(np.mean(pairs), abs=1e-6)


@pytest.mark.parametrize(("spread", "auc"), [(1e-5, 0.5), (0.1, 1.0)])
def test_what_float32_cannot_rank_is_not_a_perfect_auc(spread: float, auc: float) -> None:
    vectors, labels = alike(spread)
    assert evaluate(embeddings_of(vectors, labels)).measured.auc == pytest.approx(auc, abs=0.01)
    assert verify_all_pairs(vectors, labels).measured.auc == pytest.approx(auc, abs=0.01)
    assert indistinguishable(mean_cosine(vectors)) == (auc == 0.5)


def test_no_threshold_is_measured_on_embeddings_that_are_all_alike(model: object) -> None:
    import likewise

    embedder: Embedder = likewise.load(str(model))
    vectors, labels = alike(1e-5)
    vectors = vectors[:, : embedder.dimension]
    given = Embeddings(vectors, embeddings_of(vectors, labels).items, embedder.fingerprint)
    before = embedder.operating_point
    with pytest.raises(NotIncreasing, match="all photos the same"):
        calibrate(embedder, given, fmr=0.1)
    assert embedder.operating_point == before
