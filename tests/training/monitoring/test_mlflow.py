"""Logging to MLflow: against its own file store where it is installed, else against a fake."""

from __future__ import annotations

import logging
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import likewise
from likewise.errors import LikewiseError, MissingExtra
from likewise.training.monitoring.log import RunLog
from likewise.training.monitoring.mlflow_log import MlflowLog
from tests.conftest import quick_recipe


class FakeClient:
    """Records what is sent, as the methods of MLflow's client take it."""

    experiments: dict[str, str]
    runs: dict[str, SimpleNamespace]
    broken = False

    def get_experiment_by_name(self, name: str) -> SimpleNamespace | None:
        found = self.experiments.get(name)
        return None if found is None else SimpleNamespace(experiment_id=found)

    def create_experiment(self, name: str) -> str:
        return self.experiments.setdefault(name, str(len(self.experiments)))

    def create_run(self, experiment_id: str, *, run_name: str) -> SimpleNamespace:
        name = f"run{len(self.runs)}"
        run = {"experiment": experiment_id, "name": run_name, "status": "RUNNING"}
        self.runs[name] = SimpleNamespace(**run, params={}, metrics=[], ends=[])
        return SimpleNamespace(info=SimpleNamespace(run_id=name))

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
        if self.broken:
            raise ConnectionError("the server is away")
        assert len(params) <= 100  # MLflow refuses more
        run = self.runs[run_id]
        run.params |= {one.key: one.value for one in params}
        run.metrics += [(one.step, one.key, one.value) for one in metrics]

    def update_run(self, run_id: str, *, status: str) -> None:
        self.runs[run_id].status = status

    def set_terminated(self, run_id: str, status: str) -> None:
        self.runs[run_id].status = status
        self.runs[run_id].ends.append(status)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    """A module mlflow that keeps everything in the attributes of its client."""
    client = type("Client", (FakeClient,), {"experiments": {}, "runs": {}})

    def metric(key: str, value: float, timestamp: int, step: int) -> SimpleNamespace:
        return SimpleNamespace(key=key, value=value, timestamp=timestamp, step=step)

    entities = SimpleNamespace(
        Metric=metric, Param=lambda key, value: SimpleNamespace(key=key, value=value)
    )
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=client))
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    return client


def test_reports_go_to_mlflow_and_a_resumed_run_to_the_same(
    photos: Path, tmp_path: Path, fake: type[FakeClient]
) -> None:
    recipe = quick_recipe("schedule.epochs=3", "training.mlflow=faces", "optimizer.lr=0.002")
    likewise.train(photos, tmp_path / "run", recipe, profile=1)
    (run,) = fake.runs.values()
    assert (run.status, run.name, run.experiment) == ("KILLED", "run", fake.experiments["faces"])
    likewise.train(photos, tmp_path / "run", resume=True)
    assert list(fake.runs.values()) == [run]
    assert run.ends == ["KILLED", "FINISHED"]
    assert [step for step, key, _ in run.metrics if key == "train/loss"] == [2, 4, 6]
    assert {"images_per_s", "data_wait", "lr", "epoch"} <= {key for _, key, _ in run.metrics}
    assert run.params["optimizer.lr"] == "0.002"
    assert run.params["loss.name"] == "cosface"
    likewise.train(photos, tmp_path / "other", recipe)
    assert len(fake.experiments) == 1
    assert len(fake.runs) == 2


def test_a_server_that_goes_away_costs_numbers_and_not_the_run(
    tmp_path: Path, fake: type[FakeClient], caplog: pytest.LogCaptureFixture
) -> None:
    tracker = MlflowLog(tmp_path, "faces", {})
    fake.broken = True
    with caplog.at_level(logging.WARNING, "likewise"):
        tracker.report(1, {"loss": 1.0})
        tracker.report(2, {"loss": 0.5})
    assert caplog.messages == ["training.mlflow: numbers are lost (the server is away)"]


def test_a_store_that_cannot_be_used_is_one_line(tmp_path: Path, fake: type[FakeClient]) -> None:
    fake.broken = True
    with pytest.raises(LikewiseError, match=r"^training.mlflow: faces: cannot be used \(the serv"):
        MlflowLog(tmp_path, "faces", {"optimizer": {"lr": 1.0}})


def test_mlflow_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    before = list(logging.getLogger("likewise").handlers)
    with pytest.raises(MissingExtra, match=r"training.mlflow needs .*likewise\[mlflow\]"):
        RunLog(tmp_path, mlflow="faces")
    assert logging.getLogger("likewise").handlers == before


def test_the_file_store_of_mlflow_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is an extra")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    (tmp_path / "run").mkdir()
    many = {f"key{n}": n for n in range(150)}
    config = {"optimizer": {"lr": 0.002}, "many": many, "long": "x" * 9000}
    first = MlflowLog(tmp_path / "run", "faces", config)
    first.report(0, {"val/auc": 0.5, "note": "no number"})
    first.close(finished=False)
    second = MlflowLog(tmp_path / "run", "faces", {"optimizer": {"lr": 0.1}})
    second.report(7, {"val/auc": 0.75, "train/loss": math.nan})
    second.close(finished=True)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("faces")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "run"
    assert run.data.params["optimizer.lr"] == "0.002"
    assert len(run.data.params) == 152
    history = client.get_metric_history(run.info.run_id, "val/auc")
    assert [(one.step, one.value) for one in history] == [(0, 0.5), (7, 0.75)]
    assert math.isnan(run.data.metrics["train/loss"])
