"""The pages on search: examples run, every picture is shown, parameters match the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.figures.search.families import CONTRASTS, PICTURED, SAME

from likewise.errors import MissingExtra
from likewise.search.families import FAMILIES

DOCS = Path(__file__).parents[3] / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in DOCS.glob("search/*.md")}
PICTURES = DOCS / "images" / "search"
OWN_TESTS = {"README", "tuning", "milvus", "processes"}  # run in tests/search, block after block
BLOCKS = [
    pytest.param(block, id=f"{name}-{number}")
    for name, text in sorted(PAGES.items())
    if name not in OWN_TESTS
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.S))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_page_examples(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        exec(compile(block, "page", "exec"), {})
    except MissingExtra as error:
        pytest.skip(str(error))
    (told,) = re.findall(r"print\(.*\)  # (\[\[?[\d ]+\]\]?)", block)
    assert capsys.readouterr().out.strip() == told


def test_every_picture_is_shown_once() -> None:
    shown = re.findall(r"\(\.\./images/search/(\w+\.png)\)", "".join(PAGES.values()))
    names = [*PICTURED, *CONTRASTS.values(), "overview", "glove50", "faces128"]
    assert sorted(shown) == sorted(f"{name}.png" for name in names)
    assert set(shown) == {path.name for path in PICTURES.glob("*.png")}
    assert max(path.stat().st_size for path in PICTURES.iterdir()) < 150_000


def test_every_family_has_a_picture() -> None:
    assert {*PICTURED, *SAME} == set(FAMILIES)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_parameters_of_a_page_are_those_of_the_code(family: str) -> None:
    kind = FAMILIES[family]
    expected = [
        (p.name, when, "by size" if p.default is None else f"`{p.default}`")
        for when, parameters in (
            ("building", kind.build_parameters),
            ("searching", kind.search_parameters),
        )
        for p in parameters
    ]
    text = "".join(PAGES.values())
    table = text.partition(f"\n`{family}`:\n\n")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \| (\w+) \| (.+?) \|", table, re.M) == expected


def test_the_overview_leads_to_every_page() -> None:
    assert set(re.findall(r"\(([\w-]+)\.md", PAGES["README"])) == {*PAGES} - {"README"}


def test_links_between_the_pages_lead_somewhere() -> None:
    for text in PAGES.values():
        assert set(re.findall(r"\(([\w-]+)\.md\)", text)) <= set(PAGES)
