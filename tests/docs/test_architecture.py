"""The page on the architecture is true: its picture, and every file and folder that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.figures.architecture import IMAGE, architecture
from docs.figures.file_map import with_file_map
from docs.structure import FOLDERS, PACKAGES, ROOT, modules, report

PAGES = [ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md"]


def test_the_picture_is_drawn_from_the_code_as_it_is() -> None:
    assert IMAGE.read_text(encoding="utf-8") == architecture(), "run: make figures"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]*)`", page.read_text("utf-8"))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_package_and_folder_is_on_the_map() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    there = [name for name in PACKAGES if f"likewise.{name}" in modules()]
    assert [name for name in there if f"`{name}/`" not in text] == []
    inside = [f"{package}/{folder}" for package in FOLDERS for folder in FOLDERS[package]]
    assert [path for path in inside if f"`{path}/`" not in text] == []


def test_the_report_counts() -> None:
    lines = list(report(None))
    assert "Circles of files: 0" in lines
    assert any(line.startswith("Lines of src/: ") for line in lines)


def test_the_list_of_files_is_that_of_the_code() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert text == with_file_map(text), "run: make figures"


def test_every_path_of_the_table_exists() -> None:
    text = PAGES[0].read_text(encoding="utf-8").partition("## Every file")[0]
    table = [line for line in text.splitlines() if line.startswith("| ")]
    named = [path for line in table for path in re.findall(r"`([\w./]+(?:/|\.\w+))`", line)]
    assert len(named) > 50
    places = (ROOT / "src" / "likewise", ROOT)
    assert [path for path in named if not any((place / path).exists() for place in places)] == []
