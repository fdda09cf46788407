"""One grammar for all commands: shared options, examples, documented commands, old names."""

from __future__ import annotations

import inspect
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer

from likewise.cli.app import app, main
from likewise.cli.registration import REMOVED, RENAMED
from tests.cli.test_commands import answer, run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# Options whose default is not the same in all commands, and the reason.
OWN_DEFAULT = {
    "--model": "commands that start from raw photos of faces have a ready model",
    "--out": "each command writes something else",
    "--k": "index check searches with the k that the index was tuned for",
    "--fmr": "calibrate chooses the default that verify and index search use",
    "--losses": "compare trains several networks per loss, figures a tiny one",
    "--folds": "compare always has folds, data split only on request",
    "--replicates": "calibrate stores its intervals with the model, so it draws more replicates",
    "--max-pairs": "calibrate bootstraps its pairs with more replicates, evaluate with fewer",
    "--steps": "train has the length of the recipe, figures short trainings of its own",
    "--on-bad-image": "train leaves the choice to the recipe",
}


def walk(group: Any, path: str = "") -> list[tuple[str, Any]]:
    """All commands below a group, with the words that call them."""
    found = []
    for name, command in group.commands.items():
        words = f"{path} {name}".strip()
        found += walk(command, words) if hasattr(command, "commands") else [(words, command)]
    return found


COMMANDS = dict(walk(typer.main.get_command(app)))


@dataclass(frozen=True)
class Option:
    """An option as a command declares it."""

    command: str
    names: tuple[str, ...]
    help: str
    type: str
    default: object


def options_of(name: str) -> list[Option]:
    """The options of a command, from its signature: the same under every version of Typer."""
    function = inspect.unwrap(COMMANDS[name].callback)
    hints = get_type_hints(function, include_extras=True)
    found = []
    for parameter in inspect.signature(function).parameters.values():
        kind, *extra = get_args(hints[parameter.name]) or (None,)
        if extra and isinstance(extra[0], typer.models.OptionInfo):
            info = extra[0]
            limits = f"{bare(kind)} from {info.min} to {info.max}"
            names = [word for word in (info.default, *(info.param_decls or ())) if word != ...]
            found.append(Option(name, tuple(names), info.help, limits, parameter.default))
    return found


def bare(kind: Any) -> Any:
    """The type of one value: ``X`` of ``X | None`` and of ``list[X]``."""
    inner = [part for part in get_args(kind) if part is not type(None)]
    return bare(inner[0]) if len(inner) == 1 else kind


OPTIONS = [option for name in COMMANDS for option in options_of(name)]


def parse(words: list[str]) -> str:
    """Parse a command line without running it; returns the words of the command."""
    name = words[0] if words[0] in COMMANDS else " ".join(words[:2])
    COMMANDS[name].make_context(name.split()[-1], words[len(name.split()) :], parent=parent(name))
    return name


def parent(name: str) -> Any:
    """The contexts around a command, as `likewise` makes them."""
    group = typer.main.get_command(app)
    context = group.context_class(group, info_name="likewise")
    for word in name.split()[:-1]:
        group = group.commands[word]
        context = group.context_class(group, info_name=word, parent=context)
    return context


@pytest.mark.parametrize("name", sorted({option.names[-1] for option in OPTIONS}))
def test_an_option_means_the_same_in_all_commands(name: str) -> None:
    uses = [option for option in OPTIONS if name in option.names]
    assert len({(use.help, use.type, use.names) for use in uses}) == 1, uses
    assert uses[0].help.endswith((".", ".)", "…"))
    defaults = {repr(use.default) for use in uses if use.default is not inspect.Parameter.empty}
    assert len(defaults) <= 1 or name in OWN_DEFAULT, uses


def test_exceptions_are_needed() -> None:
    for name in OWN_DEFAULT:
        assert len({repr(option.default) for option in OPTIONS if name in option.names}) > 1, name


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_the_command_does_then_gives_an_example(name: str) -> None:
    command = COMMANDS[name]
    first = re.match(r"[A-Z][a-z]+ .*[^.]\.?", command.help.split("\n\n")[0])
    assert first, command.help
    assert command.epilog.startswith(f"Example: likewise {name}")
    assert parse(shlex.split(command.epilog)[2:]) == name
    assert any(option.names == ("--json",) for option in options_of(name))


def documented() -> list[tuple[str, list[str]]]:
    """The command lines in the code blocks of the README and the documentation."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```(?:bash|console|sh)\n(.*?)```", page.read_text("utf-8"), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                match = re.match(r"(?:\$ )?(?:.*torchrun .* -m )?likewise (?!--)(.*)", line)
                if match:
                    words = shlex.split(match[1], comments=True)
                    found.append((f"{page.name}: {' '.join(words)}", words))
    return found


@pytest.mark.parametrize(("where", "words"), documented(), ids=[w for w, _ in documented()])
def test_documented_commands_exist_under_their_present_names(
    where: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert parse(words), where
    assert capsys.readouterr().err == ""  # no warning of an old name


def test_old_names_are_hidden_and_lead_to_options() -> None:
    for name, renamed in RENAMED.items():
        known = {word for option in options_of(name) for word in option.names}
        assert known.issuperset(renamed.values())
        assert known.isdisjoint(renamed)


def test_old_names_still_work_with_one_warning(
    photos: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ("evaluate", photos, "--model", model, "--tasks", "none")
    now = answer(capsys, *command, "--replicates", 0, "--max-pairs", 5)
    code, out, err = run(capsys, *command, "--intervals", 0, "--limit=5", "--json")
    assert code == 0
    assert err.splitlines() == [
        "warning: --intervals is now --replicates; use the new name",
        "warning: --limit is now --max-pairs; use the new name",
    ]
    assert f'"genuine_pairs": {now["verification"]["genuine_pairs"]}' in out
    monkeypatch.setenv("RANK", "1")  # rank 0 has warned
    assert "warning" not in run(capsys, "evaluate", "--limit", 5)[2]
    monkeypatch.delenv("RANK")
    command = ("index", "build", "nowhere.npy", "--family", "hnsw", "--distance", "dot")
    code, _, err = run(capsys, *command, "--set", "links=8", "--set", "storage=float32")
    assert (code, err.count("--set is now --build-parameter")) == (2, 1)
    code, _, err = run(capsys, "data", "convert", photos, tmp_path / "tar", "--to", "tar")
    assert code == 0
    assert "warning: the folder is now given as --out FOLDER" in err
    code, _, err = run(capsys, "data", "convert", photos, tmp_path / "a", "--to", "tar",
                       "--out", tmp_path / "b")  # fmt: skip
    assert code == 2
    assert "give the folder once, as --out FOLDER" in err
    assert not (tmp_path / "a").exists()


def test_removed_options_name_what_to_use_instead(capsys: pytest.CaptureFixture[str]) -> None:
    for name, removed in REMOVED.items():
        assert {word for option in options_of(name) for word in option.names}.isdisjoint(removed)
        for option, instead in removed.items():
            code, _, err = run(capsys, *name.split(), option, "all")
            assert (code, err) == (2, f"likewise: {option}: was removed; {instead}\n")


def test_help_lists_every_command_in_panels(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    places = [out.index(f"│ {name} ") for name in dict.fromkeys(n.split()[0] for n in
              ("demo", "data", "train", "evaluate", "embed", "index", "map"))]  # fmt: skip
    assert places == sorted(places)
    assert all(re.search(rf"│ {name.split()[0]} ", out) for name in COMMANDS)
    assert "─ Commands" not in out
