"""Start from a ready model: its settings, its measurement before step 1, and what replaces it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import likewise
from likewise.cli.app import main
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.evaluation.intervals.auc_estimate import AucEstimate, auc_estimate
from likewise.evaluation.intervals.scored_pairs import scored_pairs
from likewise.models.embedder import Embedder
from likewise.models.registry import Backbone, create_backbone
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.recipe.validation_metric import Metric
from likewise.training.selection.start_model import Gain, StartModel, TunedFrom
from likewise.training.setup.start import recipe_from, tune_recipe
from likewise.training.stopping import Best
from tests.conftest import make_photos

QUICK = ("schedule.epochs=2", "data.workers=0", "training.device=cpu")


def quick_tune(*settings: str) -> Recipe:
    return recipe_with(tune_recipe(), [*QUICK, *settings])


def test_the_start_model_gives_network_input_and_weights(model: Path) -> None:
    recipe = recipe_from(model)
    assert recipe.model.weights == str(model)
    assert (recipe.model.name, recipe.model.embedding_dim) == ("contrastnet", 32)
    assert (recipe.input.height, recipe.input.width, recipe.input.channels) == (32, 32, 3)
    assert recipe.optimizer == tune_recipe().optimizer


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.name=iresnet18", r"fixes model.name=contrastnet, the recipe has iresnet18"),
        ("model.embedding_dim=64", r"fixes model.embedding_dim=32, the recipe has 64"),
        ("input.height=112", r"leave input.height out"),
        ("model.weights=other", r"the recipe has other; leave model.weights out"),
    ],
)
def test_a_setting_that_the_model_fixes_is_refused(model: Path, setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        recipe_from(model, recipe_with(tune_recipe(), [setting]))
    assert "\n" not in str(caught.value)


def test_a_setting_that_agrees_with_the_model_is_allowed(model: Path) -> None:
    assert recipe_from(model, recipe_with(tune_recipe(), ["model.name=contrastnet"]))


def test_an_unknown_start_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--from: .*nowhere: not found"):
        recipe_from(tmp_path / "nowhere")


def test_mean_colours_and_alignment_come_from_the_start_model(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    used = Preprocess(
        32, 32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), order="bgr", alignment="arcface"
    )
    backbone = Backbone("contrastnet", 32)
    torch.manual_seed(0)
    start = Embedder(create_backbone(backbone, height=32, width=32), used, backbone)
    start.save(tmp_path / "start")
    recipe = quick_tune("data.val_identities=0", "schedule.epochs=1")
    result = likewise.train(photos, tmp_path / "run", recipe, start=tmp_path / "start")
    assert likewise.load(result.model).preprocess == used
    assert result.start is None  # nobody is held out


def test_a_start_model_that_is_not_beaten_is_saved_as_it_is(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=12)
    recipe = quick_tune("data.val_identities=6", "optimizer.lr=1e-9")
    result = likewise.train(photos, tmp_path / "run", recipe, start=model)
    kept, before = likewise.load(result.model), likewise.load(model)
    assert kept.fingerprint == before.fingerprint
    assert kept.operating_points  # calibrated on the held-out people
    assert kept.about["Epoch"] == 0
    assert result.start is not None
    assert result.start.kept == 0
    assert result.start.best is not None
    assert result.validation == result.start.value
    assert "as it is" in result.start.lines()[-1]


def test_a_start_model_that_is_clearly_beaten_is_replaced(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=36)
    backbone = Backbone("contrastnet", 32)
    torch.manual_seed(0)
    network = create_backbone(backbone, height=32, width=32)
    rows = network.get_parameter("fc.weight").data  # nearly one direction for everybody
    rows[:] = rows[:1] + 1e-4 * torch.randn_like(rows)
    Embedder(network, Preprocess(32, 32), backbone).save(tmp_path / "start")
    recipe = quick_tune(
        "data.val_identities=24", "optimizer.lr=3e-3", "schedule.epochs=5", "augment.color.p=0"
    )
    result = likewise.train(photos, tmp_path / "run", recipe, start=tmp_path / "start")
    assert result.start is not None
    assert result.start.kept > 0
    assert result.start.best is not None
    assert result.start.best.clear
    assert result.validation is not None
    assert result.validation > result.start.value
    assert likewise.load(result.model).about["Epoch"] == result.start.kept
    told = json.loads((tmp_path / "run" / "start.json").read_text())
    assert told["kept"] == result.start.kept


def test_a_resumed_run_compares_with_the_same_start_model(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=12)
    recipe = quick_tune("data.val_identities=6", "optimizer.lr=1e-9", "schedule.epochs=1")
    first = likewise.train(photos, tmp_path / "run", recipe, start=model)
    longer = likewise.train(photos, tmp_path / "run", resume=True, epochs=2)
    assert first.start is not None
    assert longer.start is not None
    assert longer.start.value == first.start.value
    assert longer.start.kept == 0
    with pytest.raises(InputError, match=r"start: sface, the run in .* began with"):
        likewise.train(photos, tmp_path / "run", resume=True, start="sface")


def test_normalisations_keep_their_statistics(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    recipe = quick_tune("data.val_identities=0", "optimizer.lr=1e-2", "batch.identities=3")
    result = likewise.train(photos, tmp_path / "run", recipe, start=model)
    before, after = (likewise.load(m).module.state_dict() for m in (model, result.model))
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert {"body.1.weight", "fc.weight"} <= moved
    assert not {name for name in moved if "running" in name}


def estimate(scores: NDArray[np.float64], people: NDArray[np.int64]) -> AucEstimate:
    i, j = np.triu_indices(len(people), 1)
    same = people[i] == people[j]
    return auc_estimate(scored_pairs(scores, same, people[i], people[j]))


def test_a_gain_is_clear_only_beyond_the_noise_of_the_people(tmp_path: Path) -> None:
    rng, people = np.random.default_rng(0), np.repeat(np.arange(20), 3)
    i, j = np.triu_indices(60, 1)
    same = people[i] == people[j]
    weak = rng.normal(size=len(i)) + same
    start = StartModel.of(tmp_path, "m", estimate(weak, people))
    noise = weak + rng.normal(size=len(i)) * 0.3
    assert not start.try_whitened(estimate(noise, people))
    start.compare(1, estimate(weak + same, people))
    start.compare(2, estimate(weak, people))  # not better than the one before
    again = StartModel.read(tmp_path)
    assert again is not None
    assert again.measured == start.measured
    assert start.measured.best is not None
    assert start.measured.best.epoch == 1
    assert start.measured.best.clear


def test_the_gain_of_too_few_people_is_not_clear(tmp_path: Path) -> None:
    people = np.repeat(np.arange(4), 3)
    i, j = np.triu_indices(12, 1)
    same = (people[i] == people[j]).astype(np.float64)
    start = StartModel.of(tmp_path, "m", estimate(np.zeros(len(i)), people))
    assert not start.try_whitened(estimate(same, people))
    best = Best()
    best.begin(start.estimate)
    assert not best.update(estimate(same, people), 1)


def test_the_end_says_what_was_kept_in_numbers() -> None:
    tuned = TunedFrom("sface", 0.9, 0.85, 0.95, Gain(3, 0.93, 0.01, 0.05), kept=3)
    assert tuned.lines() == [
        "sface as it is: AUC 0.900 (0.85 to 0.95)",
        "after fine-tuning: AUC 0.9300 (epoch 3); the difference is +0.0300 (+0.0100 to +0.0500)",
        "kept: the fine-tuned model of epoch 3",
    ]
    tuned = TunedFrom("m", 0.9, 0.85, 0.95, Gain(3, 0.91, -0.01, 0.02), 0, Gain(0, 0.92, 0, 0.03))
    assert tuned.lines()[-1] == (
        "kept: m as it is, calibrated on your photos: nothing is better by more than chance"
    )


def test_the_command_says_what_was_kept(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photos(tmp_path / "photos", people=12)
    quick = [f"--set={setting}" for setting in (*QUICK, "optimizer.lr=1e-9")]
    command = ["train", str(photos), "--out", str(tmp_path / "run"), "--from", str(model)]
    with pytest.raises(SystemExit) as caught:
        main([*command, *quick, "--val-identities", "6"])
    assert not caught.value.code
    printed = capsys.readouterr().out
    assert f"{model} as it is: AUC" in printed
    assert "kept: " in printed
    with pytest.raises(SystemExit) as refused:
        main([*command, "--set", "model.name=iresnet18"])
    assert refused.value.code == 2


def test_by_an_error_rate_a_lower_one_is_the_gain(tmp_path: Path) -> None:
    even = np.tile([0.005, -0.005], 10)
    eer = Metric.of("EER")
    start = StartModel.of(tmp_path, "m", AucEstimate(0.2, even, 20), eer)
    start.compare(1, AucEstimate(0.25, even, 20))
    start.compare(2, AucEstimate(0.1, even, 20))
    start.compare(3, AucEstimate(0.15, even, 20))
    start.keep(2)
    again = StartModel.read(tmp_path)
    assert again is not None
    assert again.measured == start.measured
    best = again.measured.best
    assert best is not None
    assert (best.epoch, best.value, best.clear) == (2, 0.1, True)
    assert again.measured.lines()[0].startswith("m as it is: EER 0.2")
    assert "EER 0.1000 (epoch 2); the difference is -0.1000" in again.measured.lines()[1]


def test_the_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    estimate = AucEstimate(0.8, np.zeros(6), 6)
    start = StartModel.of(tmp_path, "m", estimate)
    start.compare(1, AucEstimate(0.9, np.zeros(6), 6))
    path = tmp_path / "start.json"
    values = json.loads(path.read_text())
    for part in (values, values["best"]):
        part["auc"] = part.pop("value")
    del values["measure"], values["best"]["lower_is_better"]
    path.write_text(json.dumps(values))
    again = StartModel.read(tmp_path)
    assert again is not None
    assert again.measured == start.measured
