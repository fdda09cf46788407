"""The look of all pages: legible text, labels that do not overlap, tables that scroll."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import likewise
from likewise.data.embeddings import Embeddings
from likewise.evaluation.report import plots
from likewise.evaluation.verification.metrics import verification
from likewise.pages.plots import bar_chart, score_chart

PHONE = 390 - 2 * 14 - 2 * 13  # width of a plot on a phone in pixels, without the margins
LEAST = 9.0  # pixels: smaller text is not legible
TEMPLATES = Path(likewise.__file__).parent / "pages" / "templates"
PARTS = {"layout.html", "macros.html", "notebook.html"}
PAGES = sorted(page for page in TEMPLATES.glob("*.html") if page.name not in PARTS)


def scores(shift: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    same = np.repeat([True, False], [300, 3000])
    return (random.normal(size=3300) + shift * same) / 10, same


def drawn(monkeypatch: pytest.MonkeyPatch, make: Any, *args: Any) -> Any:
    """The figure behind a plot, laid out."""
    held: list[Any] = []
    monkeypatch.setattr(plots, "svg", lambda figure: held.append(figure) or "")
    make(*args)
    (figure,) = held
    figure.canvas.draw()
    return figure


def smallest_font(svg: str, width: float) -> float:
    """The smallest font size in pixels when the plot is ``width`` pixels wide."""
    (box,) = re.findall(r'viewBox="0 0 ([\d.]+)', svg)[:1]
    sizes = re.findall(r'font(?:-size="|: |-size: )(\d+\.?\d*)', svg)
    return min(map(float, sizes)) * width / float(box)


def plots_of_a_report() -> dict[str, str]:
    values, same = scores()
    measured = verification(values, same)
    return {
        "roc": plots.roc_plot(measured),
        "det": plots.det_plot(measured),
        "scores": plots.score_plot(measured, values, same),
        "rocs": plots.rocs_plot({"one": measured.roc, "other": measured.roc}, 3000),
        "bars": bar_chart([(str(2**k), 12_345) for k in range(12)], "photos"),
        "likeness": score_chart([("a", [1, 2]), ("b", [2, 1])], [0, 0.5, 1], "likeness"),
    }


def test_text_is_legible_on_a_phone() -> None:
    small = {name: smallest_font(svg, PHONE) for name, svg in plots_of_a_report().items()}
    assert min(small.values()) >= LEAST, small


@pytest.mark.parametrize("shift", [0.5, 2.0, 6.0])
def test_neither_legend_nor_eer_covers_the_bars(
    shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, same = scores(shift)
    figure = drawn(monkeypatch, plots.score_plot, verification(values, same), values, same)
    (axes,), (legend,) = figure.axes, figure.legends
    bars = [bar.get_window_extent() for bar in axes.patches if bar.get_height() > 0]
    (label,) = (text.get_window_extent() for text in axes.texts)
    inside = axes.get_window_extent()
    assert inside.x0 <= label.x0
    assert label.x1 <= inside.x1
    for box in (label, legend.get_window_extent()):
        assert not any(box.overlaps(bar) for bar in bars)
    assert not label.overlaps(legend.get_window_extent())


@pytest.mark.parametrize("impostor", [200, 30_000, 600_000])
def test_ticks_of_a_det_do_not_overlap(impostor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    same = np.repeat([True, False], [300, impostor])
    measured = verification(random.normal(size=len(same)) + 2 * same, same)
    figure = drawn(monkeypatch, plots.det_plot, measured)
    boxes = [t.get_window_extent() for t in figure.axes[0].get_xticklabels() if t.get_text()]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


class Boxes(HTMLParser):
    """Finds the tables that lie in no scrolling box, and the viewport."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loose: list[int] = []
        self.viewport = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "table" and "wide" not in " ".join(self.open).split():
            self.loose.append(self.getpos()[0])
        if tag == "meta" and values.get("name") == "viewport":
            self.viewport = values["content"] or ""
        if tag == "div":
            self.open.append(values.get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self.open.pop()


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_page_fits_a_phone(page: Path) -> None:
    found = Boxes()
    found.feed(page.read_text())
    assert found.loose == []  # each table scrolls in its own box
    assert page.read_text().startswith('{% extends "layout.html" %}')


def test_the_layout_fits_a_phone() -> None:
    found = Boxes()
    found.feed((TEMPLATES / "layout.html").read_text())
    assert found.viewport == "width=device-width, initial-scale=1"


def test_headers_and_numbers_do_not_wrap_within_a_word() -> None:
    sheet = (TEMPLATES / "style.css").read_text()
    rules = dict(re.findall(r"([^{}]+)\{([^}]*)\}", re.sub(r"/\*.*?\*/", "", sheet, flags=re.S)))
    breaking = {name.strip() for name, rule in rules.items() if "anywhere" in rule}
    assert breaking == {".values td"}  # settings: paths and hashes
    assert "overflow-x: auto" in next(v for k, v in rules.items() if k.strip() == ".wide")


def test_the_title_names_the_data_and_the_model(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from likewise.cli.app import main

    args = ["evaluate", photos, "--model", model, "--out", tmp_path, "--tasks", "none"]
    with pytest.raises(SystemExit) as caught:
        main([*map(str, args), "--replicates", "0"])
    assert not caught.value.code, capsys.readouterr().err
    text = (tmp_path / "report.html").read_text()
    title = "Evaluation of photos with run/model"
    assert f"<title>{title}</title>" in text
    assert f"<h1>{title}</h1>" in text


@pytest.mark.parametrize(
    ("settings", "title"),
    [({"data": "e.parquet"}, "Evaluation of e.parquet"), ({}, "Evaluation report")],
)
def test_the_title_without_data_or_model(
    settings: dict[str, str], title: str, tmp_path: Path
) -> None:
    items = pa.table({"path": list("abcd"), "identity": list("xxyy")})
    experiment = likewise.evaluate(
        Embeddings(np.eye(4, dtype=np.float32), items), settings=settings
    )
    assert f"<h1>{title}</h1>" in likewise.write_report(experiment, tmp_path).read_text()
