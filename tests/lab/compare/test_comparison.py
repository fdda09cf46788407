"""A whole comparison: equal conditions, failed losses, interruption and resuming."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from likewise.data.formats import read_manifest
from likewise.data.images import ImageSource
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.lab.compare import comparison, single_run
from likewise.lab.compare.comparison import Comparison, compare
from likewise.lab.compare.summary import METRICS
from likewise.training.stopping import Interrupted
from tests.conftest import make_photos
from tests.lab.compare.setups import LOSSES, RUNS, SIZES, failing, run, timeless, tiny_recipe


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("compare") / "photos", people=12)


@pytest.fixture(scope="module")
def finished(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return run(people, tmp_path_factory.mktemp("compare") / "whole")


def test_two_losses_end_to_end(finished: Comparison) -> None:
    assert {row.label for row in finished.rows} == set(LOSSES)
    for row in finished.rows:
        assert row.runs == 4  # folds × seeds
        assert set(METRICS) - set(row.estimates) <= {"tar"}
        assert 0.5 < row.estimates["auc"].mean <= 1
        assert row.estimates["auc"].half is not None
        assert row.estimates["between"].mean > row.estimates["within"].mean > 0
        assert row.images_per_s
        assert row.step_mib
        assert [epoch for epoch, _ in row.curve] == [1, 2, 3]
        assert len(row.tuned) == 2
    assert finished.reference == "softmax"
    assert [row.difference is None for row in finished.rows if row.label == "softmax"] == [True]
    records = sorted((finished.folder / "runs").rglob("*.json"))
    assert len(records) == RUNS
    result = json.loads((finished.folder / "compare.json").read_text())
    assert result["rows"][0]["label"] == finished.rows[0].label
    assert result["versions"]["torch"]


def test_the_table_follows_from_the_records(finished: Comparison) -> None:
    """A mean over the files of the final runs, by hand."""
    for row in finished.rows:
        folder = finished.folder / "runs" / row.label.replace(":", "_")
        values = [
            json.loads(file.read_text())["measured"]["auc"] for file in folder.glob("*-run*.json")
        ]
        assert row.estimates["auc"].mean == pytest.approx(np.mean(values))


def test_a_finished_comparison_is_loaded_not_trained_again(
    finished: Comparison, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(self: object, advance: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(single_run.SingleRun, "complete", never)
    assert timeless(run(people, finished.folder)) == timeless(finished)


def test_losses_and_seeds_can_be_added_later(finished: Comparison, people: Path) -> None:
    more = run(people, finished.folder, [*LOSSES, "cosface"], seeds=3)
    rows = {row.label: row.runs for row in more.rows}
    assert rows == {"softmax": 6, "triplet:batch_hard": 6, "cosface": 6}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"recipe": tiny_recipe("schedule.epochs=4")}, "schedule.epochs = 3, which is now 4"),
        ({"recipe": tiny_recipe("augment.flip=0.5")}, "augment.flip"),
        ({"trials": 3}, "--trials"),
        ({"folds": 3}, "--folds"),
    ],
)
def test_other_conditions_are_refused(
    changed: dict[str, object], named: str, finished: Comparison, people: Path
) -> None:
    with pytest.raises(InputError, match=named):
        run(people, finished.folder, **changed)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("model.name=contrastnett", "did you mean 'contrastnet'"),
        ("model.freeze=['bdy.*']", "model.freeze"),
        ("training.precision=fp16", "fp16 needs a GPU"),
    ],
)
def test_mistakes_are_reported_before_any_photo_is_read(
    setting: str, named: str, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: Preprocess, source: ImageSource) -> None:
        raise AssertionError(f"{source} was read")

    monkeypatch.setattr(Preprocess, "pixels", read)
    with pytest.raises(InputError, match=named):
        run(people, tmp_path / "out", recipe=tiny_recipe(setting))


def test_other_folders_are_left_alone(people: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds something else"):
        run(people, tmp_path)


def test_an_interrupted_comparison_resumes(
    finished: Comparison, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun = single_run.SingleRun.complete, []

    def interrupted(self: single_run.SingleRun, advance: object) -> object:
        begun.append(self.key)
        if len(begun) == 6:
            raise KeyboardInterrupt
        return real(self, advance)

    monkeypatch.setattr(single_run.SingleRun, "complete", interrupted)
    with pytest.raises(Interrupted, match=f"interrupted after 5 of {RUNS} runs") as stopped:
        run(people, tmp_path / "out")
    assert stopped.value.exit_code == 130
    again = run(people, tmp_path / "out")
    assert len(begun) == RUNS + 1
    labels = {row.label for row in again.rows}
    before = [row for row in timeless(finished)["rows"] if row["label"] in labels]
    assert timeless(again)["rows"] == before


def test_a_diverging_loss_does_not_stop_the_others(
    finished: Comparison, people: Path, tmp_path: Path
) -> None:
    bad = "softmax + 1e39*center"
    said: list[str] = []
    found = compare(
        read_manifest(people), tmp_path, ["softmax", bad], recipe=tiny_recipe(), **SIZES,
        say=said.append,
    )  # fmt: skip
    rows = {row.label: row for row in found.rows}
    assert found.rows[-1].label == bad
    assert rows[bad].runs == 0
    assert "every trial failed" in rows[bad].failed[0]
    assert "loss is inf" in rows[bad].failed[0]
    assert any(bad in line for line in said)
    whole = {row.label: row for row in finished.rows}
    assert rows["softmax"].estimates == whole["softmax"].estimates


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (MemoryError(), "out of memory"),
        (IndexError("of range"), "IndexError: of range"),
    ],
)
def test_the_error_of_a_run_is_in_its_row(
    error: Exception, reason: str, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "triplet", error)
    found = run(people, tmp_path, trials=1, seeds=1)
    assert found.rows[0].label == "softmax"
    assert found.rows[0].runs == 2
    assert found.rows[1].failed == (reason,)


def test_a_fixed_test_set_is_one_fold(people: Path, tmp_path: Path) -> None:
    names = tuple(f"other{n}" for n in range(4))
    unseen = read_manifest(make_photos(tmp_path / "unseen", names))
    found = run(people, tmp_path / "out", ["softmax"], unseen=unseen, trials=1, seeds=1)
    assert found.rows[0].runs == 1
    assert found.rows[0].estimates["auc"].half is None
    assert found.settings["test"] == "16 photos of 4 identities"
    assert found.settings["training"] == "48 photos of 12 identities"


def test_a_time_budget_is_measured_once(people: Path, tmp_path: Path) -> None:
    """A budget that is too small gives one epoch; a resumed comparison uses the stored epochs."""
    little = run(people, tmp_path / "little", ["softmax"], trials=1, seeds=1, budget=1e-6)
    assert little.settings["epochs"] == "1"
    assert [epoch for epoch, _ in little.rows[0].curve] == [1]
    pace = tmp_path / "more" / "pace" / "softmax.json"
    pace.parent.mkdir(parents=True)
    pace.write_text('{"epochs": 2}')
    (tmp_path / "little" / "plan.json").rename(tmp_path / "more" / "plan.json")
    more = run(people, tmp_path / "more", ["softmax"], trials=1, seeds=1, budget=1e-6)
    assert more.settings["epochs"] == "2"
    assert [epoch for epoch, _ in more.rows[0].curve] == [1, 2]
    with pytest.raises(InputError, match="--budget = 1e-06, which is now None"):
        run(people, tmp_path / "more", ["softmax"], trials=1, seeds=1)


def test_initial_weights_and_batches_do_not_depend_on_the_loss(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[float]] = {}
    real = single_run.Trainer.step

    def step(self: single_run.Trainer, pixels: object, labels: object, steps: int) -> object:
        of = seen.setdefault(self.recipe.loss.name, [])
        if self.step_number == 0:
            weights = sum(float(p.detach().sum()) for p in self.module.parameters())
            of.append(weights + float(pixels.sum()))
        return real(self, pixels, labels, steps)

    monkeypatch.setattr(single_run.Trainer, "step", step)
    run(people, tmp_path, ["softmax", "arcface", "proxy_nca"], trials=1, seeds=1)
    assert seen["softmax"] == seen["arcface"] == seen["proxy_nca"]


def test_wrong_numbers(people: Path, tmp_path: Path) -> None:
    for changed, problem in (
        ({"seeds": 0}, "--seeds: 0"),
        ({"folds": 7}, "--folds: 7"),
        ({"recipe": tiny_recipe("data.keep_mib=0")}, "data.keep_mib"),
        ({"recipe": tiny_recipe("data.val_identities=0")}, "val_identities"),
    ):
        with pytest.raises(InputError, match=problem):
            run(people, tmp_path / problem, **changed)
    assert comparison.RESULT not in [p.name for p in tmp_path.rglob("*")]
