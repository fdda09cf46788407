"""The list of all files in the page on the architecture, from their docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from docs.structure import PACKAGES, ROOT, SOURCE

__all__ = ["PAGE", "with_file_map"]

PAGE = ROOT / "docs" / "architecture.md"
START, END = "<!-- files: drawn by make figures -->", "<!-- end of files -->"


def with_file_map(text: str) -> str:
    """The page with the list of files as they are now."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return "\n".join([before + START, "", *_lines(), "", END + after])


def _lines() -> Iterator[str]:
    top = SOURCE / "likewise"
    yield "### Beside the packages"
    yield ""
    yield from _files(top)
    for package in PACKAGES:
        folder = top / package
        if not folder.is_dir():
            continue
        yield from ("", f"### `{package}/`", "", _about(folder / "__init__.py"), "")
        yield from _files(folder)
        for inner in sorted(path.parent for path in folder.glob("*/__init__.py")):
            yield from ("", f"**`{package}/{inner.name}/`** {_about(inner / '__init__.py')}", "")
            yield from _files(inner)


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.py")):
        if not path.stem.startswith("__"):
            yield f"- `{path.name}` {_about(path)}"


def _about(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0].replace("\n", " ").replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(with_file_map(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(PAGE)
