"""What a run tells: a line of JSON for each report, TensorBoard curves, and a text log."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from likewise.storage import write_text

__all__ = ["RunLog"]

JSONL = "log.jsonl"


class RunLog:
    """Writes ``log.jsonl``, ``tensorboard/`` and ``train.log`` in the run's folder.

    Args:
        folder: of the run.
        resume_at: the step to continue from; what the last attempt wrote of later steps is
            removed, since those steps come again.
    """

    def __init__(self, folder: Path, resume_at: int = 0) -> None:
        self.path = folder / JSONL
        kept = [line for line in _lines(self.path) if line["step"] <= resume_at]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))
        self._stream = self.path.open("a", encoding="utf-8")
        purge = resume_at + 1 if resume_at else None
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=purge)
        self._text = logging.FileHandler(folder / "train.log", encoding="utf-8")
        self._text.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._logger = logging.getLogger("likewise")
        self._logger.addHandler(self._text)
        self._logger.setLevel(logging.INFO)

    def report(self, step: int, values: dict[str, Any]) -> None:
        """Write one report; numbers become curves."""
        self._stream.write(json.dumps({"step": step, **values}) + "\n")
        self._stream.flush()
        for name, value in values.items():
            if isinstance(value, int | float):
                self._board.add_scalar(name, value, step)
        self._board.flush()

    def close(self) -> None:
        """Flush and close all three."""
        self._stream.close()
        self._board.close()
        self._logger.removeHandler(self._text)
        self._text.close()


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; a last one that a crash tore is left out."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines
