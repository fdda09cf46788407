"""The page "In a notebook": its ten lines run in a real notebook, the other blocks as scripts."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib import pyplot

PAGE = (Path(__file__).parents[2] / "docs" / "notebook.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
NOTEBOOK = all(importlib.util.find_spec(name) for name in ("nbclient", "nbformat", "ipykernel"))


@pytest.fixture
def there(photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the photos and the model that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(mpl.rcParams, "backend", "agg")
    (tmp_path / "model").symlink_to(model)
    shutil.copy(photos / "anna" / "0.png", tmp_path / "someone.png")
    return tmp_path


def test_the_first_block_is_ten_lines() -> None:
    lines = [line for line in BLOCKS[0].splitlines() if line and not line.startswith("import")]
    assert len(lines) == 10


@pytest.mark.skipif(NOTEBOOK, reason="runs in a real notebook")
def test_the_ten_lines_run(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[0], "notebook", "exec"), names)
    assert_useful(capsys.readouterr().out)
    assert "<svg" in names["experiment"]._repr_html_()
    pyplot.close("all")


@pytest.mark.skipif(not NOTEBOOK, reason="nbclient and ipykernel are not installed")
def test_the_ten_lines_run_in_a_notebook(there: Path) -> None:
    nbclient, nbformat = map(importlib.import_module, ("nbclient", "nbformat"))
    cells = [BLOCKS[0], "experiment", "index", "experiment.plot_roc().figure"]
    sheet = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(sheet, timeout=300, kernel_name="python3").execute()
    first, *shown, figure = (cell["outputs"] for cell in sheet.cells)
    assert_useful("".join(one.get("text", "") for one in first))
    for outputs, words in zip(shown, ("Experiment: AUC", "Index: 300 vectors"), strict=True):
        assert words in outputs[-1]["data"]["text/html"]
    assert any("image/png" in one.get("data", {}) for one in figure)


def assert_useful(printed: str) -> None:
    """The neighbors above the threshold: each query itself, and others of its person."""
    rows = [line for line in printed.splitlines() if "person" in line]
    assert 2 < len(rows) <= 12
    assert {line.split()[-1] for line in rows} == {"0"}


@pytest.mark.parametrize("block", range(1, len(BLOCKS)))
def test_the_other_blocks_run(block: int, there: Path) -> None:
    exec(compile(BLOCKS[block], "page", "exec"), {})
    pyplot.close("all")
