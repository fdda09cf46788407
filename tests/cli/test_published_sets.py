"""Published sets at the command line: trained on, searched, and converted by their own splits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import likewise
from tests.cli.test_commands import answer, run
from tests.conftest import quick_recipe
from tests.data.formats.published import make_cub, make_in_shop, make_online_products


def plain_recall(model: Path, folder: Path, k: int) -> float:
    """Recall@k of the queries in the gallery, in a plain loop."""
    embedder, manifest = likewise.load(model), likewise.read_manifest(folder)
    sides = {}
    for name in ("query", "gallery"):
        side = manifest.split(name)
        sides[name] = embedder.embed(list(side.photos())), side.table["identity"].to_pylist()
    hits = 0
    for vector, person in zip(*sides["query"], strict=True):
        near = np.argsort(-(sides["gallery"][0] @ vector), kind="stable")[:k]
        hits += any(sides["gallery"][1][row] == person for row in near)
    return hits / len(sides["query"][0])


def test_queries_are_searched_in_the_gallery(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_in_shop(tmp_path / "shop", searched=5)
    words = ["evaluate", str(folder), "--model", str(model), "--replicates", "0"]
    found = answer(capsys, *words, "--ks", "1,2,20")
    assert found["settings"]["split"] == "query and gallery"
    retrieval = found["findings"]["retrieval"]
    assert (retrieval["queries"], retrieval["gallery"]) == (10, 10)
    assert list(retrieval["recall"]) == ["1", "2", "20"]
    for k in (1, 2, 20):
        assert retrieval["recall"][str(k)] == pytest.approx(plain_recall(model, folder, k))
    assert found == answer(capsys, *words, "--ks", "1,2,20", "--split", "test")
    only = answer(capsys, *words, "--split", "gallery")["findings"]["retrieval"]
    assert (only["queries"], only["gallery"]) == (10, 10)  # each among the others
    assert list(only["recall"]) == ["1", "5", "10"]


@pytest.mark.parametrize("ks", ["0", "1,two", ""])
def test_a_wrong_k_is_one_clear_line(
    ks: str, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_in_shop(tmp_path / "shop")
    code, _, err = run(capsys, "evaluate", str(folder), "--model", str(model), "--ks", ks)
    assert code == 2
    assert "--ks: " in err
    assert "must be a whole number of at least 1" in err


def test_a_published_split_is_trained_on_and_then_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_online_products(tmp_path / "products", products=5, each=3)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(quick_recipe("schedule.epochs=1", "data.val_identities=2").to_yaml())
    out = tmp_path / "run"
    code, _, err = run(capsys, "train", str(folder), "--out", str(out), "--recipe", str(recipe))
    assert code == 0, err
    trained = likewise.load(out / "model").identities
    assert trained is not None
    assert len(trained) == 3  # of 5, as 2 are held out
    assert {int(name) for name in trained} <= set(range(1, 6))
    found = answer(capsys, "evaluate", str(folder), "--model", str(out / "model"))
    assert found["settings"]["split"] == "test"
    assert found["trained_on"] == []
    assert found["findings"]["retrieval"]["queries"] == 15


def test_one_split_is_converted_and_a_format_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_cub(tmp_path / "cub")
    out = tmp_path / "out"
    words = ["data", "convert", str(folder), "--to", "folder"]
    found = answer(
        capsys, *words, "--out", str(out), "--split", "train", "--format", "cub-boxes"
    )  # fmt: skip
    assert (found["photos"], found["identities"]) == (4, 2)
    again = likewise.read_manifest(out)
    assert set(again.identities) == {"001.Albatross", "002.Grackle"}
    code, _, err = run(capsys, *words, "--out", str(tmp_path / "no"), "--split", "val")
    assert code == 2
    assert "split: no photo is of the split val" in err
    code, _, err = run(capsys, *words, "--out", str(tmp_path / "no"), "--format", "cubs")
    assert code == 2
    assert "format: unknown value 'cubs'; did you mean 'cub'" in err


def test_the_published_split_is_divided_anew_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_cub(tmp_path / "cub")
    found = answer(
        capsys, "data", "split", str(folder), "--out", str(tmp_path / "s"),
        "--val-identities", "0", "--test-identities", "2",
    )  # fmt: skip
    assert found["root"] == str(folder / "images")
    text = json.dumps(found["files"])
    assert '"test": {"photos": 4, "identities": 2}' in text
