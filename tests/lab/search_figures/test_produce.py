"""The pictures as files, by the command: which are written, what they tell, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from likewise.cli.app import main
from likewise.errors import InputError, MissingExtra
from likewise.lab.search_figures import produce as module
from likewise.lab.search_figures.families import pictured_by
from likewise.lab.search_figures.produce import produce
from likewise.search.families import family_named


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["figures", *map(str, args)])
    out = capsys.readouterr()
    return int(caught.value.code or 0), out.out, out.err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, tmp_path, "--search", "ivf_flat, hnswlib, usearch", "--json")
    assert code == 0
    told = json.loads(out)
    assert [entry["family"] for entry in told] == ["ivf_flat", "hnsw"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "ivf_flat.png",
        "hnsw.png",
        "figures.json",
    }
    for entry in told:
        assert entry["found"] <= entry["nearest"] == 10 <= entry["exact"] <= entry["looked"] < 400
        with Image.open(entry["files"][0]) as image:
            assert image.width > 600
    first = (tmp_path / "hnsw.png").read_bytes()
    assert "of 10" in run(capsys, tmp_path, "--search", "hnsw")[1]
    assert (tmp_path / "hnsw.png").read_bytes() == first


def test_wrong_words_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, tmp_path, "--search", "ivf_flt")
    assert code == 2
    assert "did you mean 'ivf_flat'" in err
    code, _, err = run(capsys, tmp_path, "--search", "all", "--losses", "softmax")
    assert (code, len(err.strip().splitlines())) == (2, 1)
    with pytest.raises(InputError, match="hnsw"):
        pictured_by("hnws")


def test_a_family_that_is_not_installed_is_left_out_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise MissingExtra("scann", "scann")

    monkeypatch.setattr(family_named("scann"), "require", missing)
    monkeypatch.setattr(module, "PICTURED", ("exact", "scann"))
    said: list[str] = []
    made = produce(tmp_path, say=said.append)
    assert [entry.picture.family for entry in made] == ["exact"]
    assert any(line.startswith("scann is left out: ") for line in said)
    assert not (tmp_path / "overview.png").exists()
    with pytest.raises(MissingExtra):
        produce(tmp_path, ["scann"], say=said.append)
