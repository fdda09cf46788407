"""The pictures as files, by the command: which are written, what they tell, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from docs.figures.__main__ import main
from docs.figures.search import produce as module
from docs.figures.search.families import pictured_by
from docs.figures.search.produce import produce
from PIL import Image

from likewise.errors import InputError, MissingExtra
from likewise.search.families import family_named


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["ivf_flat", "hnswlib", "usearch", "--out", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {
        "ivf_flat.png",
        "hnsw.png",
        "figures.json",
    }
    assert "of 10 found" in capsys.readouterr().out
    told = json.loads((tmp_path / "figures.json").read_text())
    for entry in told:
        assert entry["found"] <= entry["nearest"] == 10 <= entry["exact"] <= entry["looked"] < 400
        with Image.open(tmp_path / f"{entry['family']}.png") as image:
            assert image.width > 600
    first = (tmp_path / "hnsw.png").read_bytes()
    main(["hnsw", "--out", str(tmp_path)])
    assert (tmp_path / "hnsw.png").read_bytes() == first


def test_wrong_words_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["ivf_flt", "--out", str(tmp_path)])
    assert caught.value.code == 2
    assert "did you mean 'ivf_flat'" in capsys.readouterr().err
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
