"""The report holds the metrics and the photos, and loads nothing from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import likewise
from likewise.data.formats import read_manifest
from tests.conftest import make_photos


def write(model: Path, photos: Path, out: Path) -> tuple[likewise.Experiment, str]:
    embeddings, _ = likewise.load(model).embed_manifest(read_manifest(photos))
    experiment = likewise.evaluate(embeddings, settings={"data": "<b>photos</b>"})
    page = likewise.write_report(experiment, out, photos)
    return experiment, page.read_text(encoding="utf-8")


def test_json_and_page_say_the_same(model: Path, photos: Path, tmp_path: Path) -> None:
    experiment, page = write(model, photos, tmp_path)
    values = json.loads((tmp_path / "report.json").read_text())
    assert values["verification"]["auc"] == experiment.measured.auc
    assert values["verification"]["genuine_pairs"] == 18
    assert values["verification"]["tar_at_far"][3]["measurable"] is False
    assert f"{experiment.measured.auc:.4f}" in page
    assert "cannot be measured" in page
    assert experiment.settings["embedder"] in page


def test_the_page_is_self_contained(model: Path, photos: Path, tmp_path: Path) -> None:
    _, page = write(model, photos, tmp_path)
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page.replace('xlink:href="#', 'x="'))
    assert "<script" not in page
    assert page.count("data:image/jpeg;base64,") >= 2 * 12
    assert page.count("<svg") == 3


def test_names_cannot_break_the_page(model: Path, tmp_path: Path) -> None:
    hostile = ("<img src=x onerror=alert(1)>", 'quo"te', "plain")
    photos = make_photos(tmp_path / "photos", hostile)
    _, page = write(model, photos, tmp_path / "out")
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert "<b>photos</b>" not in page


def test_without_photos_the_pairs_are_named(model: Path, photos: Path, tmp_path: Path) -> None:
    embeddings, _ = likewise.load(model).embed_manifest(read_manifest(photos))
    page = likewise.write_report(likewise.evaluate(embeddings), tmp_path).read_text()
    assert "data:image" not in page
    assert "anna/0.png" in page
