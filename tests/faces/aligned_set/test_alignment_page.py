"""What the page on alignment shows is what happens."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from likewise.cli.app import main
from likewise.data.formats import read_manifest
from likewise.faces.alignment.templates import TEMPLATES
from likewise.faces.choice import KEEP

PAGE = (Path(__file__).parents[3] / "docs" / "alignment.md").read_text(encoding="utf-8")


def blocks(language: str) -> str:
    return "".join(re.findall(rf"```{language}\n(.*?)```", PAGE, re.S))


@pytest.fixture
def here(real_faces: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in sorted(real_faces.iterdir())[:3]:
        shutil.copytree(folder, tmp_path / "photos" / folder.name)
    (tmp_path / "model").symlink_to(model)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_run(here: Path) -> None:
    for line in blocks("bash").splitlines():
        with pytest.raises(SystemExit) as caught:
            main(line.split()[1:])
        assert not caught.value.code, line
    assert read_manifest(here / "aligned").names == read_manifest(here / "photos").names


def test_the_python_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(blocks("python"), "alignment.md", "exec"), {})
    assert capsys.readouterr().out.endswith("arcface-112 yunet+onet\n")


def test_every_template_and_rule_is_on_the_page() -> None:
    for name, template in TEMPLATES.items():
        assert f"| `{name}` | {template.side} |" in PAGE
    assert all(f"`{rule}`" in PAGE for rule in KEEP)
