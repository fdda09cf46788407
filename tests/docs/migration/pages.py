"""What all pages on migration have in common."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "docs" / "migration"


def page(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.S)


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table, without those of headings."""
    lines = [line for line in text.splitlines() if line.startswith("| ") or line.startswith("|--")]
    split = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    rules = {number for number, line in enumerate(lines) if line.startswith("|--")}
    return [
        row for number, row in enumerate(split) if number not in rules and number + 1 not in rules
    ]


def named(cell: str) -> list[str]:
    """The names of classes in backquotes: ``ArcFaceLoss`` of ```ArcFaceLoss(margin=0.5)```."""
    return [re.split(r"[(.\[]", name)[0] for name in re.findall(r"`([A-Z][^`]*)`", cell)]
