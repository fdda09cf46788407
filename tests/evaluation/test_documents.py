"""Every example on the pages on identification, retrieval and clustering runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "evaluation"
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in ("identification.md", "retrieval-and-clustering.md")
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", (FOLDER / page).read_text(), re.S)
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_page_examples(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "page", "exec"), {})
