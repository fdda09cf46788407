"""The rows of the benchmarks are written as JSON, whatever kind of number they come from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.measure import report, row


def test_rows_of_numpy_numbers_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row("a.b", np.float32(0.5), "x", holds=bool(np.float64(1) > 0))]
    rows += [row("a.c", np.float64(2.0), "x", bar=">= 3", holds=np.bool_(False))]
    report(rows, tmp_path / "rows.json")
    written = json.loads((tmp_path / "rows.json").read_text())["results"]
    assert [(entry["value"], entry["holds"]) for entry in written] == [(0.5, True), (2.0, False)]
    assert "FALLS SHORT" in capsys.readouterr().out
