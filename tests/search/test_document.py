"""What the page about search shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "search" / "README.md"


def test_the_python_on_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    there: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), there)
    assert capsys.readouterr().out == "[0 1 2]\nTrue\n"
    assert len(there["anew"]) == 5000  # type: ignore[arg-type]  # an index
