"""The commands and the examples on the page on export run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from likewise.cli.app import main
from tests.conftest import make_photos

PAGE = Path(__file__).parents[3] / "docs" / "models-export.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.S)


def test_everything_on_the_page_runs(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnxruntime", "onnx", "openvino"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "photos", people=("anna", *(f"p{n}" for n in range(15))), each=5)
    (tmp_path / "model").symlink_to(model)
    for commands in blocks("bash"):
        for command in commands.strip().splitlines():
            with pytest.raises(SystemExit) as caught:
                main(shlex.split(command)[1:])
            assert not caught.value.code, command
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, PAGE.name, "exec"), names)
