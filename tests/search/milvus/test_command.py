"""``likewise index`` with its vectors on a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from likewise.cli.app import main
from tests.conftest import make_photos


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return int(caught.value.code or 0), told.out, told.err


def test_built_and_searched(
    milvus: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photos(tmp_path / "photos", people=4)
    build = ("index", "build", photos, "--model", model)
    here, there = tmp_path / "here", tmp_path / "there"
    assert run(capsys, *build, "--out", here)[0] == 0
    code, _, told = run(
        capsys, *build, "--out", there, "--family", "milvus", "--uri", milvus,
        "--collection", "photos_of_four", "--set", "kind=FLAT",
    )  # fmt: skip
    assert code == 0, told
    assert [path.name for path in there.iterdir()] == ["index.json"]
    probe = photos / "person02" / "1.png"
    found = [
        json.loads(run(capsys, "index", "search", i, probe, "--model", model, "--json")[1])
        for i in (here, there)
    ]
    assert found[0] == found[1]
    code, _, told = run(capsys, *build, "--family", "milvus", "--out", tmp_path / "x")
    assert code == 2
    assert "--uri" in told
