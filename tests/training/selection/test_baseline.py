"""Baselines before the first epoch, and the warnings of a network that does not beat them."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import likewise
from likewise.data.manifest import Manifest
from likewise.data.photos import keep_readable
from likewise.data.preprocess import Preprocess
from likewise.evaluation.intervals.auc_estimate import AucEstimate
from likewise.training.result import TrainingResult
from likewise.training.selection import baseline, comparison
from likewise.training.selection.baseline import Baseline, pixels_baseline
from likewise.training.validation import Interruption
from tests.conftest import make_photos, quick_recipe
from tests.integration.runs import reports

SETTINGS = ("data.val_identities=10", "schedule.epochs=3")


def measured(training: Path, held_out: Path, keep: int = 2**30) -> Baseline:
    preprocess = Preprocess(40, 32)
    sides = [
        keep_readable(likewise.read_manifest(one), preprocess, on_bad_image="skip", keep_bytes=keep)
        for one in (training, held_out)
    ]
    return pixels_baseline(sides[0], sides[1], preprocess, 0, lambda: False)


def auc_by_loops(training: Path, held_out: Path) -> float:
    """AUC of averaged pixels, minus the mean training photo and the photo's own mean."""

    def averaged(file: Path) -> Any:
        pixels = np.asarray(Image.open(file).convert("RGB").resize((32, 40)), float)
        boxes = [
            pixels[40 * y // 16 : -(-40 * (y + 1) // 16), 2 * x : 2 * x + 2].mean(axis=(0, 1))
            for y in range(16)
            for x in range(16)
        ]
        return np.concatenate(boxes)

    mean = np.mean([averaged(file) for file in training.rglob("*.png")], axis=0)
    looks = {file: averaged(file) - mean for file in held_out.rglob("*.png")}
    genuine: list[float] = []
    impostor: list[float] = []
    for one in looks:
        for other in looks:
            if str(one) < str(other):
                score = float(np.corrcoef(looks[one], looks[other])[0, 1])
                (genuine if one.parent == other.parent else impostor).append(score)
    return float(np.mean([(g > i) + (g == i) / 2 for g in genuine for i in impostor]))


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Photos to train on, and photos of seven others that are hard to tell apart."""
    train = make_photos(tmp_path / "train", people=3)
    other = make_photos(tmp_path / "all", people=10, each=3)
    random = np.random.default_rng(0)
    for file in sorted(other.rglob("*.png")):
        noise = random.normal(0, 90, (40, 40, 3))
        pixels = np.clip(np.asarray(Image.open(file), float) * 0.3 + 80 + noise, 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).resize((32, 40)).save(file)
    return train, other


def test_raw_pixels_are_those_of_plain_loops(two: tuple[Path, Path]) -> None:
    train, _ = two
    for file in train.rglob("*.png"):  # of the input's shape, so that nothing is cut off
        Image.open(file).resize((32, 40)).save(file)
    expected = auc_by_loops(*two)
    assert 0.5 < expected < 0.999
    assert measured(*two).auc == pytest.approx(expected, abs=2e-3)
    assert measured(*two, keep=0).auc == measured(*two).auc  # read on demand


def test_the_mean_is_of_training_photos(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, other = two
    alone = measured(train, other)
    monkeypatch.setattr(baseline, "MEAN_PHOTOS", 5)
    assert measured(train, other).auc != alone.auc
    for file in train.rglob("*.png"):
        Image.new("RGB", (40, 40)).save(file)
    black = measured(train, other)
    monkeypatch.setattr(baseline, "MEAN_PHOTOS", 12)
    assert measured(train, other).auc == black.auc  # all 12 are alike now


def test_blank_photos_have_a_score(tmp_path: Path) -> None:
    train = make_photos(tmp_path / "train", people=2)
    other = make_photos(tmp_path / "other", people=3)
    for file in [*train.rglob("*.png"), other / "person00" / "0.png"]:
        Image.new("RGB", (40, 40), "grey").save(file)
    assert 0 <= measured(train, other).auc <= 1


def test_of_many_photos_some_people_are_taken(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "MOST_PHOTOS", 13)
    found = measured(*two)
    assert found.estimate.people == 6
    assert len(found.estimate.influence) == 10
    assert np.count_nonzero(found.estimate.influence) == 6


def test_of_few_people_with_many_photos_all_are_taken() -> None:
    labels = np.repeat(np.arange(3), [50, 4, 30])
    names = [f"{label}/{row}.png" for row, label in enumerate(labels)]
    table = pa.table({"path": names, "identity": labels.astype(str).tolist()})
    rows = baseline.chosen_photos(Manifest(table, Path()), seed=1, most=24)
    assert np.bincount(labels[rows]).tolist() == [8, 4, 8]
    assert rows.tolist() == sorted(set(rows.tolist()))


def test_a_run_measures_them_once_and_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "photos", people=14, each=2)
    calls = []
    real = pixels_baseline

    def counted(*given: Any) -> Baseline:
        calls.append(1)
        return real(*given)

    monkeypatch.setattr(comparison, "pixels_baseline", counted)
    run = likewise.train(photos, tmp_path / "run", quick_recipe(*SETTINGS))
    again = likewise.train(photos, run.folder, resume=True, epochs=4)
    assert len(calls) == 1
    assert [one.to_dict() for one in again.baselines] == [one.to_dict() for one in run.baselines]
    (pixels,) = run.baselines
    assert pixels.name == "raw pixels"
    first, *rest = reports(run.folder)
    assert first["baseline/pixels_auc"] == pixels.auc
    assert [line["epoch"] for line in rest] == [1, 2, 3, 4]
    assert all(line["val/auc_low"] <= line["val/auc"] <= line["val/auc_high"] for line in rest)
    assert run.validation_interval is not None
    assert run.validation_interval.value == run.validation
    about = likewise.load(run.model).about
    assert about["Baselines"].startswith("AUC of raw pixels: ")
    assert (
        "baseline on the held-out identities: AUC of raw" in (run.folder / "train.log").read_text()
    )


def test_the_start_model_is_measured_as_it_is(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=14, each=2)
    recipe = quick_recipe(*SETTINGS, f"model.weights={model}", "training.seed=3")
    run = likewise.train(photos, tmp_path / "run", recipe)
    assert [one.name for one in run.baselines] == ["raw pixels"]
    assert run.start is not None  # it is validated itself, before the first step
    names = set(likewise.read_manifest(photos).identities)
    held = sorted(names - set(likewise.load(run.model).identities or ()))
    files = [sorted((photos / name).iterdir()) for name in held]
    vectors = [likewise.load(model).embed(group) for group in files]
    genuine = [float(a @ b) for a, b in vectors]
    impostor = [
        float(a @ b)
        for i, one in enumerate(vectors) for other in vectors[:i] for a in one for b in other
    ]  # fmt: skip
    expected = np.mean([(g > i) + (g == i) / 2 for g in genuine for i in impostor])
    assert run.start.value == pytest.approx(float(expected), abs=1e-4)


def stopped(self: Any, interrupt: Any, *more: Any) -> None:
    signal.raise_signal(signal.SIGINT)
    if interrupt():
        raise Interruption


def test_a_stop_while_they_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = make_photos(tmp_path / "photos", people=14, each=2)
    whole = likewise.train(photos, tmp_path / "whole", quick_recipe(*SETTINGS))
    with monkeypatch.context() as patch:
        patch.setattr(comparison.Comparison, "measure", stopped)
        part = likewise.train(photos, tmp_path / "part", quick_recipe(*SETTINGS))
    assert (part.finished, part.epochs, part.stopped_by) == (False, 0, signal.SIGINT)
    likewise.train(photos, part.folder, resume=True)
    assert reports(whole.folder) == reports(part.folder)


def run_with(
    pixels: AucEstimate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *settings: str
) -> TrainingResult:
    """A run whose raw pixels have this AUC."""
    photos = make_photos(tmp_path / "photos", people=14, each=2)
    monkeypatch.setattr(comparison, "pixels_baseline", lambda *_: Baseline("raw pixels", pixels))
    return likewise.train(photos, tmp_path / "run", quick_recipe(*SETTINGS, *settings))


def test_a_network_below_raw_pixels_is_told_early_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    perfect = AucEstimate(1.5, np.zeros(10), 10)  # out of reach
    run = run_with(perfect, tmp_path, monkeypatch)
    told = [line for line in (run.folder / "train.log").read_text().splitlines() if "WARN" in line]
    early, end = (line for line in told if "raw pixels" in line)
    assert (
        "epoch 1: so far the network is worse than raw pixels on the held-out identities" in early
    )
    assert "the saved network is worse than raw pixels" in end
    assert "(--detect)" in end


@pytest.mark.parametrize(("value", "setting"), [(0.0, "guards.watch=true"),
                                                (1.5, "guards.watch=false")])  # fmt: skip
def test_no_warning_where_it_beats_them_or_where_nobody_watches(
    value: float, setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with(AucEstimate(value, np.zeros(10), 10), tmp_path, monkeypatch, setting)
    assert "network" not in (run.folder / "train.log").read_text()


def test_too_few_people_are_named() -> None:
    pixels = Baseline("raw pixels", AucEstimate(0.8, np.array([0.01, -0.01]), 2))
    network = AucEstimate(0.81, np.array([-0.01, 0.01]), 2)
    assert "(only 2: too few to tell)" in pixels.shortfall(network)


def test_baselines_of_other_photos_are_not_taken(tmp_path: Path) -> None:
    run = likewise.train(
        make_photos(tmp_path / "a", people=14, each=2), tmp_path / "run", quick_recipe(*SETTINGS)
    )
    file = run.folder / "baseline.json"
    of = json.loads(file.read_text())["of"]
    assert baseline.read_baselines(file, of) is not None
    assert baseline.read_baselines(file, {**of, "photos": "others"}) is None
    file.write_text("{")
    assert baseline.read_baselines(file, None) is None
