"""Projections against their definitions, and the content of the page of a map."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("plotly")

from likewise.cli.app import main
from likewise.data.embeddings import Embeddings, write_embeddings
from likewise.data.formats import read_manifest
from likewise.errors import InputError, MissingExtra
from likewise.lab.map.page import write_map
from likewise.lab.map.projection import project


def clusters(each: int = 12, people: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(people), each)
    vectors = random.normal(size=(people, 16))[labels] + 0.1 * random.normal(size=(len(labels), 16))
    return vectors.astype(np.float32), labels


def test_pca_projects_onto_the_directions_of_largest_variance() -> None:
    vectors, _ = clusters()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = unit - unit.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    found = project(vectors, "pca")
    for axis in range(2):
        expected = u[:, axis] * s[axis]
        assert (
            min(np.abs(found[:, axis] - expected).max(), np.abs(found[:, axis] + expected).max())
            < 1e-5
        )
    np.testing.assert_allclose(project(3 * vectors, "pca"), found, atol=1e-5)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_neighbors_stay_neighbors(method: str) -> None:
    vectors, labels = clusters()
    points = project(vectors, method, seed=3)
    np.testing.assert_array_equal(points, project(vectors, method, seed=3))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (labels[apart.argmin(axis=1)] == labels).mean() > 0.95


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="at least 3"):
        project(np.eye(2, dtype=np.float32))
    with pytest.raises(InputError, match="dimension 1"):
        project(np.ones((5, 1), np.float32))
    with pytest.raises(InputError, match="did you mean 'tsne'"):
        project(np.eye(5, dtype=np.float32), "tsn")


def test_umap_missing_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(MissingExtra, match=r"likewise\[umap\]"):
        project(np.eye(5, dtype=np.float32), "umap")


def content(page: Path) -> dict:
    (found,) = re.findall(
        r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.S
    )
    return json.loads(found)


def test_the_page_holds_every_point_and_its_photo(photos: Path, tmp_path: Path) -> None:
    manifest = read_manifest(photos)
    count = len(manifest)
    vectors = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    page = write_map(
        Embeddings(vectors, manifest.table), vectors[:, :2], tmp_path / "m.html", manifest
    )
    data = content(page)
    assert sorted(row for trace in data["traces"] for row in trace["row"]) == list(range(count))
    assert {trace["name"] for trace in data["traces"]} == set(manifest.identities)
    assert all(photo.startswith("data:image/jpeg;base64,") for photo in data["photos"])
    assert 'src="http' not in page.read_text().split("<script>")[0]  # it works offline


def cie_lab(color: str) -> np.ndarray:
    """CIE 1976 L*a*b* of an sRGB color, by its definition; white is D65."""
    coded = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = xyz @ linear / [0.9505, 1.0, 1.089]
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_identities_differ_in_color_or_symbol_and_have_names(tmp_path: Path) -> None:
    each, people = 5, 22
    labels = [f"p{row // each:02d}" for row in range(each * people)]
    items = pa.table({"path": [f"{row}.jpg" for row in range(len(labels))], "identity": labels})
    points = np.random.default_rng(0).normal(size=(len(labels), 2)).astype(np.float32)
    vectors = np.random.default_rng(1).normal(size=(len(labels), 4)).astype(np.float32)
    page = write_map(Embeddings(vectors, items), points, tmp_path / "m.html")
    others, *named = content(page)["traces"]
    assert (others["name"], others["at"], len(named)) == ("others", None, 20)
    assert len({(trace["color"], trace["form"]) for trace in named}) == 20
    colors = [cie_lab(color) for color in {trace["color"] for trace in (others, *named)}]
    apart = [np.linalg.norm(a - b) for n, a in enumerate(colors) for b in colors[:n]]
    assert min(apart) > 30  # 2.3 is a just noticeable difference
    for trace in named:
        assert min(trace["x"]) <= trace["at"][0] <= max(trace["x"])
        assert trace["at"][1] in trace["y"]
    assert '<div id="legend">' in page.read_text()


def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script>.jpg"
    items = pa.table({"path": [name, "b.jpg", "c.jpg"], "identity": ["<b>x", "<b>x", "y"]})
    vectors = np.eye(3, dtype=np.float32)
    page = write_map(Embeddings(vectors, items), vectors[:, :2], tmp_path / "m.html", title="<i>")
    text = page.read_text()
    assert "<script>alert" not in text
    assert "<i>" not in text
    assert any(name in label for trace in content(page)["traces"] for label in trace["label"])


def test_the_command(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*args: object) -> int:
        with pytest.raises(SystemExit) as caught:
            main([str(a) for a in ("map", *args)])
        return int(caught.value.code or 0)

    page = tmp_path / "map.html"
    options = ("--model", model, "--projection", "pca", "--max-photos", 7)
    assert run(photos, *options, "--out", page) == 0
    assert "7 points" in capsys.readouterr().out
    assert len(content(page)["photos"]) == 7
    assert run(photos, "--model", model, "--out", tmp_path / "map.png") == 2
    assert run(photos, "--model", model, "--projection", "tsnee") == 2
    vectors = np.eye(4, dtype=np.float32)
    table = pa.table({"path": ["a", "b", "c", "d"]})
    write_embeddings(Embeddings(vectors, table), tmp_path / "e.parquet")
    assert run(tmp_path / "e.parquet", "--out", page, "--projection", "pca", "--json") == 0
    assert json.loads(capsys.readouterr().out)["points"] == 4
