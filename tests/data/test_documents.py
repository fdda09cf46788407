"""What the pages on data show is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from likewise.cli.app import main
from likewise.data.formats import list_formats
from tests.conftest import make_photos

FOLDER = Path(__file__).parents[2] / "docs" / "data"
PAGE = (FOLDER / "formats.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.S)


@pytest.mark.parametrize("name", ["formats.md", "own-data.md"])
def test_the_python_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("python", (FOLDER / name).read_text(encoding="utf-8")):
        exec(compile(block, name, "exec"), names)


def test_the_commands_run(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "photos", people=7)
    (tmp_path / "model").symlink_to(model)
    (tmp_path / "pairs.csv").write_text(
        "left,right,same\nperson00/0,person00/1,1\nperson00/0,person01/1,0\n"
    )
    for line in "".join(blocks("bash")).splitlines():
        with pytest.raises(SystemExit) as caught:
            main(line.split()[1:])
        assert not caught.value.code, line


def test_every_format_stands_on_the_page() -> None:
    for format in list_formats():
        if format.priority > 90:  # of another test
            continue
        for ending in re.findall(r"\.[a-z]+", format.description):
            assert f"`{ending}" in PAGE or f"{ending}`" in PAGE, (format.name, ending)
