"""Evaluations show themselves, become DataFrames, and are drawn on axes of matplotlib."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot

import likewise
from likewise.errors import InputError
from likewise.evaluation.calibration.fit import Calibrated, calibrate_pairs
from likewise.evaluation.experiment import Experiment
from tests.pages.test_shown import NASTY, assert_on_a_screen

RANDOM = np.random.default_rng(5)
PEOPLE = np.repeat(np.arange(24), 4)
VECTORS = (RANDOM.normal(size=(96, 16)) + 1.5 * RANDOM.normal(size=(24, 16))[PEOPLE]).astype("f4")
NAMES = [f"{NASTY} {person}" for person in PEOPLE]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Figures of pyplot stay open until somebody closes them."""
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return likewise.evaluate(VECTORS, NAMES, replicates=20)


@pytest.fixture(scope="module")
def calibrated() -> Calibrated:
    return likewise.calibrate(VECTORS, NAMES, fmr=0.01, replicates=0)


def test_each_shows_itself_on_a_screen(experiment: Experiment, calibrated: Calibrated) -> None:
    many = likewise.evaluate(VECTORS, NAMES, fars=tuple(np.linspace(0.01, 1, 500)))
    for shown, plots in (
        (experiment, 2),
        (many, 2),
        (experiment.measured, 1),
        (likewise.retrieval(VECTORS, NAMES, ks=range(1, 90)), 1),
        (likewise.identification(VECTORS[::2], PEOPLE[::2], VECTORS[1::2], PEOPLE[1::2]), 1),
        (calibrated, 1),
    ):
        found = assert_on_a_screen(shown)
        assert found.tags.count("svg") == plots
        assert "script" not in found.tags
        assert repr(shown).startswith(type(shown).__name__)
    assert f"AUC {experiment.measured.auc:.4f}" in repr(experiment)
    assert "95% confidence: AUC" in repr(experiment)


def test_the_pairs_of_an_experiment_as_a_table(experiment: Experiment) -> None:
    table = experiment.to_pandas()
    assert len(table) == 96 * 95 // 2
    row = table.iloc[100]
    a, b = (VECTORS[int(row[side])] for side in ("left", "right"))  # rows are the names here
    assert row["score"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-6)
    assert row["same"] == (PEOPLE[int(row["left"])] == PEOPLE[int(row["right"])])


def test_the_roc_is_that_of_a_plain_loop(experiment: Experiment) -> None:
    line = experiment.plot_roc().lines[0]
    genuine, impostor = (experiment.scores[experiment.same == same] for same in (True, False))
    drawn = dict(zip(np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), strict=True))
    checked = 0
    for threshold in np.quantile(impostor, [0.5, 0.9, 0.99]):
        far, tar = np.mean(impostor >= threshold), np.mean(genuine >= threshold)
        nearest = min(drawn, key=lambda x: abs(x - far))
        assert drawn[nearest] == pytest.approx(tar, abs=0.02)
        checked += 1
    assert checked == 3
    whole = experiment.measured.to_pandas()
    assert np.trapezoid(whole["tar"], whole["far"]) == pytest.approx(experiment.measured.auc)


def test_two_curves_on_one_pair_of_axes_differ(experiment: Experiment) -> None:
    _, ax = pyplot.subplots()
    assert experiment.plot_roc(ax, label="one") is ax
    likewise.evaluate(-VECTORS[:, :4], NAMES).plot_roc(ax, label="other")
    curves = [line for line in ax.lines if line.get_label() in ("one", "other")]
    assert len({line.get_color() for line in curves}) == 2
    assert ax.get_legend_handles_labels()[1] == ["one", "chance", "other"]


def test_the_other_plots(experiment: Experiment) -> None:
    equal = experiment.plot_det().lines[1]
    np.testing.assert_array_equal(equal.get_xdata(), equal.get_ydata())
    histogram = experiment.plot_scores()
    assert f"EER {experiment.measured.eer:.2%}" in [text.get_text() for text in histogram.texts]
    predicted = np.asarray(experiment.plot_calibration(label="half").lines[1].get_xdata())
    assert (np.diff(predicted) > 0).all()
    assert 0 <= predicted[0] < predicted[-1] <= 1


def test_cmc_and_recall() -> None:
    found = likewise.identification(VECTORS[::2], PEOPLE[::2], VECTORS[1::2], PEOPLE[1::2])
    line = found.plot_cmc().lines[0]
    np.testing.assert_array_equal(line.get_ydata(), found.closed.cmc)
    assert found.to_pandas()["rate"].tolist() == found.closed.cmc.tolist()
    retrieved = likewise.retrieval(VECTORS, PEOPLE)
    ax = retrieved.plot_recall()
    assert ax.get_legend_handles_labels()[1] == ["Recall@k", "Precision@k", "nDCG@k"]
    assert np.asarray(ax.lines[0].get_ydata()).tolist() == list(retrieved.recall.values())
    assert retrieved.to_pandas().set_index("k")["recall"].to_dict() == retrieved.recall


@pytest.mark.parametrize(
    "kind", [np.asarray, pd.DataFrame, torch.tensor, lambda some: np.asarray(some).tolist()]
)
def test_calibrate_takes_vectors_and_labels(kind: type) -> None:
    found = likewise.calibrate(kind(VECTORS), pd.Series(NAMES), fmr=0.01, replicates=0)
    pairs = likewise.evaluate(VECTORS, NAMES).scored_pairs()
    expected = calibrate_pairs(pairs, fmr=0.01, replicates=0)
    assert found.calibration == expected.calibration
    assert found.points == expected.points
    assert found.to_pandas()["threshold"].tolist() == [p.threshold for p in expected.points]


def test_the_plot_of_a_calibration(calibrated: Calibrated) -> None:
    line = calibrated.plot_probability().lines[0]
    score, probability = (float(np.asarray(d)[50]) for d in (line.get_xdata(), line.get_ydata()))
    assert calibrated.calibration is not None
    assert calibrated.calibration.probability(score) == pytest.approx(probability)


def test_calibrate_sets_the_embedder_from_vectors_too(model: object, photos: object) -> None:
    embedder, other = likewise.load(str(model)), likewise.load(str(model))
    made, _ = embedder.embed_manifest(likewise.read_manifest(str(photos)))
    likewise.calibrate(embedder, made, fmr=0.1, replicates=0)
    likewise.calibrate(other, made.vectors, made.items["identity"], fmr=0.1, replicates=0)
    assert other.calibration == embedder.calibration
    assert other.operating_point == embedder.operating_point


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (("model", VECTORS), "embedder: model: load it first, with likewise.load"),
        ((VECTORS, None), "labels: missing"),
        ((VECTORS, "e.parquet"), "labels"),
        ((VECTORS, PEOPLE, PEOPLE), "embedder: must be an Embedder"),
    ],
)
def test_what_cannot_be_calibrated(given: tuple[object, ...], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        likewise.calibrate(*given)  # type: ignore[arg-type]  # the test
