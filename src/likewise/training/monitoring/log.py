"""The log of a run: one line of JSON for each report, TensorBoard curves, and a text log."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from likewise.storage import write_text
from likewise.terminal import TerminalHandler
from likewise.training.monitoring.mlflow_log import MlflowLog
from likewise.training.monitoring.tracker import Tracker, numbers_of
from likewise.training.monitoring.wandb_log import WandbLog

__all__ = ["JSONL", "TEXT", "RunLog", "log_lines"]

JSONL, TEXT = "log.jsonl", "train.log"


class RunLog:
    """Writes ``log.jsonl``, ``tensorboard/`` and ``train.log`` in the run's folder.

    Warnings are shown at the terminal as well.

    Args:
        folder: of the run.
        resume_at: the step to continue from; lines of later steps, which an interrupted run wrote,
            are removed, since these steps are taken again.
        wandb: the project of Weights & Biases that gets the numbers; None for none.
        mlflow: the experiment of MLflow that gets them; None for none.
        config: the recipe, for both.
        quiet: write nothing, as on all ranks but rank 0.

    Attributes:
        finished: whether the run came to its end; set it before ``close``.

    Raises:
        MissingExtra: wandb or MLflow is not installed.
        LikewiseError: the store of MLflow cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        resume_at: int = 0,
        *,
        wandb: str | None = None,
        mlflow: str | None = None,
        config: dict[str, Any] | None = None,
        quiet: bool = False,
    ) -> None:
        self._logger = logging.getLogger("likewise")
        self._logger.setLevel(logging.INFO)
        self.quiet, self.finished = quiet, False
        self._handlers: list[logging.Handler] = [logging.NullHandler()]
        if quiet:
            self._logger.addHandler(self._handlers[0])
            self._logger.propagate = False  # else the handler of the command line shows it
            return
        self._trackers: list[Tracker] = []
        if wandb:
            self._trackers.append(WandbLog(folder, wandb, config or {}))
        if mlflow:
            self._trackers.append(MlflowLog(folder, mlflow, config or {}))
        self.path = folder / JSONL
        kept = [line for line in log_lines(self.path) if line["step"] <= resume_at]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))
        self._before = {json.dumps(line) for line in kept if line["step"] == 0}
        self._stream = self.path.open("a", encoding="utf-8")
        purge = resume_at + 1 if resume_at else None
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=purge)
        text = logging.FileHandler(folder / TEXT, encoding="utf-8")
        text.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._handlers = [text]
        if not TerminalHandler.is_there():  # the command line has one of its own
            self._handlers.append(TerminalHandler())
        for handler in self._handlers:
            self._logger.addHandler(handler)

    def report(self, step: int, values: dict[str, Any]) -> None:
        """Write one report; its numbers become curves.

        One of before the first step that is in the log already is not written again.
        """
        if self.quiet or (line := json.dumps({"step": step, **values})) in self._before:
            return
        self._stream.write(line + "\n")
        self._stream.flush()
        for name, value in numbers_of(values).items():
            self._board.add_scalar(name, value, step)
        self._board.flush()
        for tracker in self._trackers:
            tracker.report(step, values)

    def close(self) -> None:
        """Flush and close all logs."""
        for handler in self._handlers:
            self._logger.removeHandler(handler)
            handler.close()
        if self.quiet:
            self._logger.propagate = True
            return
        self._stream.close()
        self._board.close()
        for tracker in self._trackers:
            tracker.close(finished=self.finished)


def log_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a log; a line that a crash cut off is left out."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines
