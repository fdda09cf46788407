"""Every example on the page about Milvus runs, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[3] / "docs" / "search"


def blocks(page: str) -> list[str]:
    text = (PAGES / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.S)


def test_the_page_about_milvus(
    milvus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("milvus.md"):
        here = block.replace("http://127.0.0.1:19530", milvus)
        exec(compile(here, "milvus.md", "exec"), names)
    assert names["again"]


def test_the_page_about_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks("processes.md"):
        exec(compile(block, "processes.md", "exec"), {})
