"""The commands of the README print what it shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from likewise.cli.app import main
from tests.conftest import make_photos

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the photos that the README speaks of."""
    make_photos(tmp_path / "photos")
    make_photos(tmp_path / "other_photos", ("dora", "emil"))
    shutil.copy(tmp_path / "photos" / "anna" / "0.png", tmp_path / "someone.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_library_in_ten_lines_runs(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(compile(block, "README.md", "exec"), {})
    assert re.fullmatch(r"[\d.]+ (None|[\d.]+)\n", capsys.readouterr().out)
    assert (there / "runs" / "mine" / "report" / "report.html").exists()


def test_ones_own_folder_in_four_commands(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    block = README.split("## Your own photos")[1].split("```console\n")[1].split("```")[0]
    commands = [line.split()[1:] for line in block.strip().splitlines()]
    assert len(commands) == 4
    commands[0] += ["--epochs", "1", "--set", "model.name=contrastnet"]
    for command in commands:
        with pytest.raises(SystemExit) as caught:
            main(command)
        assert not caught.value.code, command
    assert "anna/0.png" in capsys.readouterr().out
