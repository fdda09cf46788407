"""The metric by which epochs are compared: against plain loops, and through a run."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import likewise
from likewise.errors import InputError
from likewise.evaluation.intervals.auc_estimate import AucEstimate
from likewise.evaluation.intervals.bootstrap import bootstrap
from likewise.evaluation.verification.metrics import verification
from likewise.models.saving import CONFIG
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.recipe.validation_metric import Metric
from likewise.training.stopping import Best
from likewise.training.validation import scored
from likewise.training.validation_metric import estimate_of
from tests.conftest import make_photos, quick_recipe

PEOPLE, EACH = 30, 4
Floats = NDArray[np.float32]
LABELS = np.repeat(np.arange(PEOPLE), EACH)


def embeddings(noise: float, seed: int = 0) -> Floats:
    """Unit vectors of thirty people; more noise makes them harder to tell apart."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(PEOPLE, 8))
    vectors = centres[LABELS] + noise * random.normal(size=(len(LABELS), 8))
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def measured(name: str, vectors: Floats) -> AucEstimate:
    return estimate_of(Metric.of(name), vectors, LABELS, *scored(vectors, LABELS, 0), PEOPLE, 0)


@pytest.mark.parametrize(
    ("given", "name", "key"),
    [
        ("auc", "AUC", "auc"),
        ("EER", "EER", "eer"),
        ("TAR @ FAR = 1e-3", "TAR@FAR=0.001", "tar_at_far_0.001"),
        ("tar@far=.1", "TAR@FAR=0.1", "tar_at_far_0.1"),
        ("Recall@10", "Recall@10", "recall_at_10"),
        ("map@r", "MAP@R", "map_at_r"),
    ],
)
def test_names_in_any_case(given: str, name: str, key: str) -> None:
    metric = Metric.of(given)
    assert (metric.name, metric.key) == (name, key)
    assert Metric.of(metric.name) == metric
    recipe = recipe_with(Recipe(), [f"training.metric={given}"])
    assert recipe.training.metric == name


@pytest.mark.parametrize("given", ["accuracy", "tar", "tar@far=0", "tar@far=1", "recall@0", "f1"])
def test_an_unknown_metric_is_refused(given: str) -> None:
    with pytest.raises(InputError, match=r"training.metric: expected one of auc, eer, tar@far=1e-"):
        recipe_with(Recipe(), [f"training.metric={given}"])


def test_recall_and_map_are_those_of_a_plain_loop() -> None:
    vectors = embeddings(1.0)
    scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    recalls, precisions = [], []
    for query in range(len(LABELS)):
        order = [row for row in np.argsort(-scores[query], kind="stable") if row != query]
        right = (LABELS[order] == LABELS[query]).astype(float)
        recalls.append(right[:2].max())
        found = [right[: i + 1].mean() * right[i] for i in range(EACH - 1)]
        precisions.append(sum(found) / (EACH - 1))
    for name, each in (("Recall@2", recalls), ("MAP@R", precisions)):
        estimate = measured(name, vectors)
        assert estimate.value == pytest.approx(np.mean(each))
        people = np.reshape(each, (PEOPLE, EACH)).mean(axis=1)  # as many photos of each
        error = people.std(ddof=1) / PEOPLE**0.5
        assert estimate.standard_error == pytest.approx(error)


@pytest.mark.parametrize("name", ["EER", "TAR@FAR=0.01"])
def test_eer_and_tar_have_the_error_of_the_bootstrap(name: str) -> None:
    vectors = embeddings(0.8)
    pairs, _ = scored(vectors, LABELS, 0)
    whole = verification(pairs.scores, pairs.same)
    expected = whole.eer if name == "EER" else whole.at(0.01).tar
    assert expected is not None
    estimate = measured(name, vectors)
    assert estimate.value == pytest.approx(expected)
    found = bootstrap(pairs, (0.01,), replicates=400, seed=5)
    interval = found.eer if name == "EER" else found.at(0.01).tar
    assert interval is not None
    assert 4 * estimate.standard_error == pytest.approx(interval.high - interval.low, rel=0.25)
    ours = estimate.interval()
    assert ours.low < expected < ours.high


@pytest.mark.parametrize("name", ["EER", "TAR@FAR=0.01", "Recall@1", "MAP@R"])
def test_what_is_common_to_two_epochs_cancels(name: str) -> None:
    one, same, other = (measured(name, embeddings(n)) for n in (0.8, 0.8, 1.6))
    assert one.minus(same).standard_error == 0
    assert 0 < one.minus(other).standard_error < one.standard_error + other.standard_error


def test_a_lower_error_rate_is_better() -> None:
    sure = np.zeros(6)
    best = Best(measure="EER", lower_is_better=True)
    assert best.update(AucEstimate(0.3, sure, 6), 1)
    assert not best.update(AucEstimate(0.4, sure, 6), 2)
    assert (best.value, best.epoch, best.waited) == (0.3, 1, 1)
    assert best.update(AucEstimate(0.2, sure, 6), 3, AucEstimate(0.9, sure, 6))
    again = Best(measure="EER", lower_is_better=True).restored(json.loads(json.dumps(best.state())))
    assert again.state() == best.state()
    assert again.saved_auc is not None
    assert again.saved_auc.value == 0.9
    assert not again.update(AucEstimate(0.21, sure, 6), 4)
    with pytest.raises(InputError, match=r"^training.metric: AUC; this run has .* by EER: set"):
        Best().restored(best.state())
    started = Best(measure="EER", lower_is_better=True)
    started.begin(AucEstimate(0.2, sure, 6))
    assert not started.update(AucEstimate(0.25, sure, 6), 1)
    assert started.update(AucEstimate(0.1, sure, 6), 2)


@pytest.mark.parametrize(
    ("name", "key"),
    [("EER", "eer"), ("tar@far=0.1", "tar_at_far_0.1"), ("Recall@1", "recall_at_1"),
     ("map@r", "map_at_r")],
)  # fmt: skip
def test_a_run_by_another_metric_names_it_everywhere(
    tmp_path: Path, name: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    photos, run = make_photos(tmp_path / "photos", people=14, each=2), tmp_path / "run"
    recipe = quick_recipe("data.val_identities=10", f"training.metric={name}")
    with caplog.at_level(logging.INFO, "likewise"):
        found = likewise.train(photos, run, recipe)
    measure = Metric.of(name).name
    assert found.measure == measure
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if line["epoch"]]
    assert found.validation in [line[f"val/{key}"] for line in epochs]
    assert found.validation_interval is not None
    for line in epochs:
        assert line[f"val/{key}_low"] <= line[f"val/{key}"] <= line[f"val/{key}_high"]
        assert {"val/auc", "val/eer"} <= set(line)
    assert f": {measure} " in (run / "train.log").read_text()
    about = json.loads((found.model / CONFIG).read_text())["about"]
    assert about["Validation"].startswith(f"{measure} ")
    assert about[f"Validation {measure}"] == found.validation
    assert "Validation AUC" in about
    resumed = likewise.train(photos, run, resume=True, epochs=3)
    assert resumed.measure == measure


def test_a_far_that_cannot_be_measured_is_refused_before_the_first_step(tmp_path: Path) -> None:
    photos, run = make_photos(tmp_path / "photos", people=5), tmp_path / "run"
    recipe = quick_recipe("data.val_identities=2", "training.metric=tar@far=1e-3")
    with pytest.raises(InputError, match=r"^training.metric: TAR@FAR=0.001: 16 pairs of diff"):
        likewise.train(photos, run, recipe)
    assert not (run / "model").exists()
