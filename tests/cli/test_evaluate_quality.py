"""``likewise evaluate --quality``, and the norm on its way from embed to evaluate."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import likewise
from likewise.data.embeddings import NORM
from tests.cli.test_commands import answer, run
from tests.conftest import make_photos
from tests.evaluation.test_error_versus_discard import blurred


def test_the_norm_and_a_column_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    likewise.write_embeddings(blurred(), tmp_path / "e.parquet")
    words = ("evaluate", tmp_path / "e.parquet", "--tasks", "none", "--replicates", 0)
    found = answer(capsys, *words)["findings"]["quality"]
    assert [curve["column"] for curve in found] == [NORM]
    both = (*words, "--quality", "norm", "--quality", "sharp")
    code, out, err = run(capsys, *both, "--out", tmp_path / "report")
    assert code == 0
    assert "Error versus discard by sharp" in " ".join(out.split())
    assert "left out: quality: sharp: 1 of 240 photos have no value" in " ".join(err.split())
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("pairs discarded</th>") == 2
    code, _, err = run(capsys, *words, "--quality", "shrap")
    assert (code, "quality: unknown value 'shrap'; did you mean 'sharp'?" in err) == (2, True)
    code, _, err = run(capsys, *words, "--quality", "town")
    assert "column town holds string; it must hold numbers" in " ".join(err.split())


def test_embed_writes_the_norm_and_calibrate_keeps_its_percentiles(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    answer(capsys, "embed", photos, "--model", model, "--out", tmp_path / "e.parquet")
    norms = pq.read_table(tmp_path / "e.parquet")[NORM].to_numpy()
    assert norms.min() > 0
    own = likewise.load(model).save(tmp_path / "own")
    options = ("--fmr", 0.1, "--replicates", 0)
    found = answer(capsys, "calibrate", tmp_path / "e.parquet", "--model", own, *options)
    assert (found["norms"]["count"], found["norms"]["of"]) == (24, "e.parquet")
    assert found["norms"]["quantiles"][100] == pytest.approx(norms.max())
