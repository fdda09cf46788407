"""The examples on the page on recognition run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import likewise
from likewise.models.zoo.weights import find_weights

PAGE = Path(__file__).parents[2] / "docs" / "recognition.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_page_examples(
    block: str, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnxruntime", "onnx", "lz4"):
        pytest.importorskip(package)
    if any(find_weights(name) is None for name in ("sface", "yunet", "onet")):
        pytest.skip("the extra faces is not installed")
    if "verify" not in likewise.__all__:
        pytest.skip("the names are not public yet")
    monkeypatch.chdir(tmp_path)
    person = min(raw.iterdir())
    first, second, third = sorted(person.iterdir())
    shutil.copy(first, "a.jpg")
    shutil.copy(second, "b.jpg")
    shutil.copy(third, "party.jpg")
    Path("people", person.name).mkdir(parents=True)
    shutil.copy(first, Path("people", person.name, "1.jpg"))
    exec(compile(block, "page", "exec"), {})
