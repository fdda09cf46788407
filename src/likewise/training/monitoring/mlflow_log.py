"""Logging to MLflow: an optional extra, off by default."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from likewise.errors import LikewiseError, MissingExtra, first_line
from likewise.storage import write_text
from likewise.training.monitoring.tracker import numbers_of

__all__ = ["MlflowLog"]

log = logging.getLogger(__name__)
RUN_ID = "mlflow-run.txt"
AT_ONCE = 100  # parameters that MLflow takes in one request
LONGEST = 500  # characters of a parameter, of the oldest servers


class MlflowLog:
    """Sends the numbers of each report to an experiment; a resumed run keeps its id.

    Only numbers and the recipe leave the machine: no photos, no names, no code. The settings of
    MLflow decide where they are sent (``MLFLOW_TRACKING_URI``). A run of the program's own that is
    active at MLflow is not touched.

    Args:
        folder: of the run.
        experiment: its name; it is created if there is none.
        config: the recipe as plain values; its keys become parameters such as ``optimizer.lr``.

    Raises:
        MissingExtra: MLflow is not installed.
        LikewiseError: its server or store cannot be used.
    """

    def __init__(self, folder: Path, experiment: str, config: dict[str, Any]) -> None:
        try:
            import mlflow
            from mlflow.entities import Metric, Param
        except ImportError as error:
            raise MissingExtra("training.mlflow", "mlflow") from error
        self._metric, self._warned = Metric, False
        try:
            self._client = mlflow.MlflowClient()
            self._run = self._resumed(folder / RUN_ID)
            if self._run is None:
                known = self._client.get_experiment_by_name(experiment)
                place = known.experiment_id if known else self._client.create_experiment(experiment)
                created = self._client.create_run(place, run_name=folder.name)
                self._run = str(created.info.run_id)
                given = [Param(key, str(value)[:LONGEST]) for key, value in _flat(config)]
                for start in range(0, len(given), AT_ONCE):
                    self._client.log_batch(self._run, params=given[start : start + AT_ONCE])
                write_text(folder / RUN_ID, f"{self._run}\n")
        except LikewiseError:
            raise
        except Exception as error:  # of MLflow, its store or the network
            raise LikewiseError(
                f"training.mlflow: {experiment}: cannot be used ({first_line(error)}); set "
                "MLFLOW_TRACKING_URI to a server or a store, or leave training.mlflow out"
            ) from error

    def report(self, step: int, values: dict[str, Any]) -> None:
        """Send the numbers of a report; a run does not fail for a server that does not answer."""
        now = int(1000 * time.time())
        numbers = [self._metric(k, float(v), now, step) for k, v in numbers_of(values).items()]
        try:
            self._client.log_batch(self._run, metrics=numbers)
        except Exception as error:  # of MLflow, its store or the network
            self._warn(error)

    def close(self, *, finished: bool) -> None:
        """End the run at MLflow, as finished or, if it can be resumed, as killed."""
        try:
            self._client.set_terminated(self._run, "FINISHED" if finished else "KILLED")
        except Exception as error:  # as above
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            log.warning("training.mlflow: numbers are lost (%s)", first_line(error))

    def _resumed(self, path: Path) -> str | None:
        """The id of the run that is resumed; None if it is new."""
        if not path.exists():
            return None
        known = path.read_text(encoding="utf-8").strip()
        self._client.update_run(known, status="RUNNING")
        return known


def _flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of a recipe with their sections, and their values; without empty sections."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value
