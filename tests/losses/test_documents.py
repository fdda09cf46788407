"""Every example in the pages on distances and losses runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    "docs/distances.md",
    "docs/losses/mining.md",
    "docs/losses/pairs-and-triplets.md",
    "docs/losses/softmax-family.md",
    "docs/losses/weights.md",
]
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_page_examples(block: str, registry: None) -> None:
    exec(compile(block, "page", "exec"), {})
