"""``likewise data bin``: the .bin set is evaluated with the same result."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from likewise.cli.app import main


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(a) for a in args])
    return int(caught.value.code or 0)


def test_evaluate_reads_the_bin_set(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["anna/0,anna/1,1", "bob/0,bob/2,1", "anna/0,bob/1,0", "carl/1,bob/1,0"]
    listed = tmp_path / "pairs.csv"
    listed.write_text("\n".join(["left,right,same", *rows]))
    out = tmp_path / "set.bin"
    assert run("data", "bin", photos, "--pairs", listed, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 4
    images, same = pickle.loads(out.read_bytes())  # as InsightFace's own reader does
    assert same == [True, True, False, False]
    assert images[5] == (photos / "bob" / "1.png").read_bytes()
    assert run("evaluate", out, "--model", model, "--json") == 0
    assert json.loads(capsys.readouterr().out)["verification"]["genuine_pairs"] == 2


def test_wrong_use(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "pairs.csv"
    listed.write_text("left,right,same\nanna/0,zoe/1,0\nanna/0,anna/1,1\n")
    assert run("data", "bin", photos, "--pairs", listed, "--out", tmp_path / "x.pkl") == 2
    assert run("data", "bin", photos, "--pairs", listed, "--out", tmp_path / "x.bin") == 2
    assert "zoe/1" in capsys.readouterr().err
    assert not (tmp_path / "x.bin").exists()
