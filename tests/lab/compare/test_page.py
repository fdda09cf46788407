"""The page and the command: a self-contained page with every row, and one-line errors."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from likewise.cli.app import main
from likewise.lab.compare.report import conclusions, write_page
from tests.conftest import make_photos
from tests.lab.compare.setups import failing, run, tiny_recipe


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [v for k, v in attrs if k in ("src", "href") and v and not v.startswith("#")]
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    photos = make_photos(tmp_path / "photos", people=12)
    failing(monkeypatch, "arcface", RuntimeError("<b>broken</b>"))
    found = run(photos, tmp_path / "out", ["softmax", "cosface", "arcface"], trials=2, seeds=1)
    assert any("arcface: some or all runs failed" in line for line in conclusions(found))
    return write_page(found).read_text()


def test_the_page_holds_everything(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.count["svg"] == 2
    assert tags.count["table"] == 3
    assert "script" not in tags.count
    assert tags.links == []  # nothing is fetched from elsewhere
    assert not re.search(r"url\((?!#)", page)
    body = page.split("<tbody>")[1].split("</tbody>")[0]
    assert body.count("<tr") == 3
    for text in ("softmax", "cosface", "lr 0.00", "margin", "validation AUC", "12 identities"):
        assert text.replace("12", "6") in page or text in page
    assert "&lt;b&gt;broken" in body
    assert "<b>broken" not in page


def run_command(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in args])
    out = capsys.readouterr()
    return int(caught.value.code or 0), out.out, out.err


def test_wrong_use_is_one_line_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_photos(tmp_path / "photos", people=4)
    out = ["--out", tmp_path / "out"]
    for args, problem in (
        (["--losses", "softmax,cosfase"], "did you mean 'cosface'"),
        (["--losses", "triplet:hard"], "triplet:batch_hard"),
        (["--set", "loss.margin=0.3"], "named by --losses"),
        (["--budget", "5"], "--budget: '5'; write 90s or 10min"),
        (["--budget", "5s", "--epochs", 3], "give one of the two"),
        (["--set", "schedule.epoch=3"], "did you mean 'epochs'"),
        (["--test", tmp_path / "none"], "no such folder"),
        (["--test", photos], "also in the training data"),
    ):
        code, printed, err = run_command(capsys, "compare", photos, *out, *args)
        assert (code, printed) == (2, ""), err
        assert problem in err
        assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_people_get_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = make_photos(tmp_path / "photos", people=8)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(tiny_recipe().to_yaml())
    code, out, err = run_command(
        capsys, "compare", photos, "--losses", "softmax,cosface", "--recipe", recipe,
        "--epochs", 1, "--seeds", 1, "--trials", 1, "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0, err
    assert "minus softmax" in out
    assert "overlap" in out
    assert "compare.html" in out
    table = (tmp_path / "out" / "compare.md").read_text().splitlines()
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1
    assert "2 losses on 32 photos in 4 folds" in err
