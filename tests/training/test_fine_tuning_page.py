"""The commands on the page on fine-tuning run; test_documents runs its examples."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from likewise.cli.app import main
from tests.conftest import make_photos

PAGE = Path(__file__).parents[2] / "docs" / "training" / "fine-tuning.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.S)


def test_the_commands_run(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "photos", people=6)
    (tmp_path / "model").symlink_to(model)
    quick = "--set schedule.epochs=1 --set data.workers=0 --set training.device=cpu"
    for command in blocks("bash"):
        with pytest.raises(SystemExit) as caught:
            main([*shlex.split(command.replace("\\\n", " "))[1:], *shlex.split(quick)])
        assert not caught.value.code, command


def test_every_key_stands_on_the_page() -> None:
    for key in ("model.weights", "model.weights_except", "model.freeze", "model.unfreeze_epoch",
                "optimizer.layer_decay", "optimizer.lr_scale", "distill.teacher", "distill.kind",
                "distill.weight", "distill.temperature", "distill.cache",
                "model.whiten"):  # fmt: skip
        assert key in TEXT, key
