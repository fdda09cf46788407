"""``likewise recipe``: a commented recipe that train reads, with what train would choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from likewise.training.recipe.named import find_recipe, list_recipes
from likewise.training.recipe.recipe import load_recipe
from tests.cli.test_commands import answer, run


def test_the_default_recipe_is_printed_and_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "recipe")
    assert (code, err) == (0, "")
    (tmp_path / "r.yaml").write_text(out)
    assert load_recipe(tmp_path / "r.yaml") == find_recipe("compact")
    keys = [line for line in out.splitlines() if not line.strip().startswith("#")]
    assert len([line for line in out.splitlines() if "#" in line]) >= len(keys) / 2


def test_settings_and_the_choice_for_photos_are_applied(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recipe.yaml"
    told = answer(capsys, "recipe", "--for", photos, "--set", "optimizer.lr=0.5", "--out", file)
    written = load_recipe(file)
    assert written.optimizer.lr == told["optimizer"]["lr"] == 0.5
    assert written.model.name == "compactnet"
    assert isinstance(told["loss"]["scale"], float)
    again = answer(capsys, "recipe", "--recipe", file, "--set", "schedule.steps=3")
    assert (again["optimizer"]["lr"], again["schedule"]["steps"]) == (0.5, 3)
    trained = ("train", photos, "--recipe", file, "--out", tmp_path / "run", "--epochs", 1)
    assert answer(capsys, *trained, "--set", "model.name=contrastnet")["finished"]


def test_named_recipes_are_listed_with_what_was_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(answer(capsys, "recipe", "--list")) == list_recipes()
    code, out, _ = run(capsys, "recipe", "--list")
    assert code == 0
    assert all(name in out.splitlines() for name in list_recipes())


def test_a_network_of_ones_own_gets_the_defaults(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = answer(capsys, "recipe", "--for", photos, "--set", "model.name=contrastnet")
    assert (told["input"]["height"], told["batch"]["sampler"]) == (112, "plain")


def test_wrong_use(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for args, problem in (
        (["--set", "los.margin=1"], "did you mean 'loss'"),
        (["--for", tmp_path / "none"], "no such folder"),
        (["--root", photos], "--root: needs --for"),
        (["--for", photos, "--set", "distill.weight=2"], "set distill.teacher=MODEL"),
        (["--out", "."], ".: is a folder; name a file in it"),
    ):
        code, out, err = run(capsys, "recipe", *args)
        assert (code, out, len(err.strip().splitlines())) == (2, "", 1)
        assert problem in err
