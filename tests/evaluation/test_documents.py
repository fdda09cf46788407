"""Every example on the pages on evaluation runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from likewise.cli.app import main
from tests.conftest import make_photos

FOLDER = Path(__file__).parents[2] / "docs" / "evaluation"
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in sorted(FOLDER.glob("*.md"))
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_page_examples(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "page", "exec"), {})


def test_the_commands_of_the_report_run(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "photos", people=8)
    (tmp_path / "model").symlink_to(model)
    (tmp_path / "other_model").symlink_to(model)
    page = (FOLDER / "report.md").read_text(encoding="utf-8")
    commands = "".join(re.findall(r"```bash\n(.*?)```", page, re.S)).replace("\\\n", "")
    for line in commands.splitlines():
        with pytest.raises(SystemExit) as caught:
            main(line.split()[1:])
        assert not caught.value.code, line
