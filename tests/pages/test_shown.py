"""Results show themselves: at most a screen, and every text is escaped."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes

from likewise.arrays import data_frame
from likewise.errors import InputError, LikewiseError
from likewise.pages.plot import Plot
from likewise.pages.shown import Picture, Shown, Table, View, cell_text

NASTY = "<script>alert('&')</script>"


@dataclass
class Result(Shown):
    """A result with as much of everything as wanted."""

    count: int
    word: str = "word"

    def to_pandas(self) -> Any:
        return data_frame({"word": [self.word] * self.count})

    def _view(self) -> View:
        rows = [[self.word] * self.count] * self.count
        table = Table([self.word] * self.count, rows)
        return View(self.word, [self.word] * self.count, [table] * self.count)

    def _pictures(self) -> list[list[Picture]]:
        return [[Picture("", (self.word, self.word))]] * self.count

    __repr__ = Shown.__repr__


class Text(HTMLParser):
    """The elements of HTML, their text and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value for _, value in attrs if value]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def assert_on_a_screen(shown: Shown) -> Text:
    """Check text and HTML; returns the HTML."""
    lines = repr(shown).splitlines()
    assert len(lines) <= 28
    assert max(map(len, lines)) <= 100
    found = Text(shown._repr_html_())
    assert found.tags.count("tr") <= 34
    assert found.tags.count("svg") <= 2
    assert found.tags.count("img") <= 30
    assert max(len(word) for word in found.words if "{" not in word and word.strip()) <= 301
    return found


@pytest.mark.parametrize("count", [0, 1, 5, 1000])
@pytest.mark.parametrize("word", ["word", "x" * 5000, NASTY, "two\nlines"])
def test_at_most_a_screen_and_escaped(count: int, word: str) -> None:
    found = assert_on_a_screen(Result(count, word))
    assert "script" not in found.tags
    if word == NASTY and count:
        assert NASTY in found.words
        assert NASTY in found.values  # the tooltip of a photo's name


def test_what_is_left_out_is_counted() -> None:
    shown = Result(1000)
    text, html = repr(shown), shown._repr_html_()
    note = "… and 990 more rows and 990 more columns; to_pandas() has all"
    assert note in text
    assert note in html
    assert "… and 995 more lines" in text
    assert "… and 996 more rows of photos" in html
    assert "more" not in repr(Result(5))
    counted = Table(["a"], [[1]] * 10, count=50)
    assert counted.note == "… and 40 more rows; to_pandas() has all"


def test_cells() -> None:
    assert cell_text(np.float32(0.5)) == "0.5"
    assert cell_text("a\n  b") == "a b"
    assert cell_text(123456) == "123456"  # an id, without separators
    assert len(cell_text("long " * 100)) == 60
    assert len(cell_text(list("x" * 10_000))) < 60


def test_without_pandas_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(LikewiseError, match="^to_pandas needs pandas; install it with: pip"):
        Result(2).to_pandas()


def line() -> Plot:
    def draw(axes: Axes) -> None:
        axes.plot([1, 2], [3, 4], label="<b>")

    return Plot("<x>", "y", draw)


def test_a_plot_on_axes_of_ones_own() -> None:
    figure, (left, right) = pyplot.subplots(1, 2)
    assert line().on(right) is right
    assert (right.get_xlabel(), right.get_ylabel()) == ("<x>", "y")
    assert right.get_legend_handles_labels()[1] == ["<b>"]
    assert right.get_legend() is not None
    assert not left.lines
    pyplot.close(figure)


def test_a_plot_on_a_new_figure_is_that_of_pyplot() -> None:
    axes = line().on()
    assert axes.figure is pyplot.gcf()
    assert len(axes.figure.legends) == 1  # above the axes, as in a report
    pyplot.close(axes.figure)


def test_a_plot_on_something_else() -> None:
    with pytest.raises(InputError, match="^ax: str; give axes of matplotlib"):
        line().on("axes")  # type: ignore[arg-type]  # the test


def test_the_svg_of_a_plot_is_escaped() -> None:
    svg = line().svg()
    assert "<b>" not in svg
    assert re.search(r"&lt;b&gt;", svg)
