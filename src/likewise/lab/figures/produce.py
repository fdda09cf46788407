"""All pictures, made anew: eight people learned with each loss, drawn, measured and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from likewise.data.orl import orl_faces
from likewise.errors import InputError
from likewise.evaluation.separation import Separation, separation
from likewise.lab.figures.animate import animate
from likewise.lab.figures.draw_boundary import draw_boundary
from likewise.lab.figures.draw_embedding import draw_embedding
from likewise.lab.figures.draw_overview import draw_overview
from likewise.lab.figures.draw_plane import reach_of
from likewise.lab.figures.learn import STEPS, Embedded, learn, one_thread
from likewise.lab.figures.margins import MARGINS, margin_of
from likewise.lab.figures.palette import save_png
from likewise.lab.figures.settings import MAIN, SETTINGS, Setting, setting_of
from likewise.lab.figures.views import Views, draw_views
from likewise.storage import require_writable, write_json

__all__ = ["Pictured", "produce"]

PEOPLE = range(1, 9)
LEARNED_FROM, SHOWN = 400, 60  # views of each person
FRAMES = 40
DPI = 110


@dataclass(frozen=True)
class Pictured:
    """What was made for one loss.

    Args:
        loss: its name.
        dim: numbers in an embedding.
        files: the pictures written.
        separation: the numbers under the picture, angles in radians.
    """

    loss: str
    dim: int
    files: list[Path]
    separation: Separation

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "loss": self.loss,
            "dim": self.dim,
            "files": [str(file) for file in self.files],
            **asdict(self.separation),
        }


def produce(
    out: Path,
    losses: Sequence[str] = tuple(SETTINGS),
    *,
    dim: int = 2,
    gif: bool = False,
    seed: int = 0,
    steps: int = STEPS,
    say: Callable[[str], None] = print,
) -> list[Pictured]:
    """Write ``embedding_LOSS.png`` and ``boundary_LOSS.png`` for each loss, and ``overview.png``.

    Boundaries exist in the softmax family; the overview is drawn if all of its eight losses are
    among those asked for, in two dimensions. Pictures in space end in ``_3d.png``. The numbers
    are written beside them, as ``figures.json``.

    Args:
        out: the folder.
        losses: names as in ``list_losses()``.
        dim: 2, a plane, or 3.
        gif: write ``embedding_LOSS.gif`` too: the same over training.
        seed: draws views, weights and batches; the same numbers for the same seed.
        steps: training steps for each loss.
        say: told each step as it begins.

    Raises:
        InputError: an unknown loss, or a dimension or number of steps that makes no picture.
        MissingExtra: the photos are not installed.
        LikewiseError: the folder cannot be written.
    """
    if dim not in (2, 3):
        raise InputError(f"dim: {dim}; 2 (a plane) or 3 (space) is expected")
    if steps < 2:
        raise InputError(f"steps: {steps}; at least 2 are expected")
    settings = [setting_of(name) for name in dict.fromkeys(losses)]
    photos = orl_faces(PEOPLE)
    require_writable(out)
    say(f"drawing {LEARNED_FROM} views of each of {len(PEOPLE)} people")
    with one_thread():
        training = draw_views(photos, LEARNED_FROM, seed=2 * seed)
        shown = draw_views(photos, SHOWN, seed=2 * seed + 1)
    made: list[Pictured] = []
    last: dict[str, tuple[Setting, Embedded, Separation]] = {}
    for number, setting in enumerate(settings, 1):
        say(f"{setting.title} ({number} of {len(settings)})")
        moments = _learn(setting, training, shown, dim, steps, seed, gif)
        measured = separation(moments[-1].points, moments[-1].labels)
        made.append(_draw(setting, moments, measured, out, dim, gif))
        last[setting.name] = (setting, moments[-1], measured)
    if dim == 2 and all(name in last for name in MAIN):
        say("the overview")
        save_png(draw_overview([last[name] for name in MAIN]), out / "overview.png", dpi=DPI - 20)
    write_json(out / "figures.json", [entry.to_dict() | {"seed": seed} for entry in made])
    return made


def _learn(
    setting: Setting, training: Views, shown: Views, dim: int, steps: int, seed: int, gif: bool
) -> list[Embedded]:
    frames = min(FRAMES, steps) if gif else 1
    return learn(setting, training, shown, dim=dim, steps=steps, seed=seed, frames=frames)


def _draw(
    setting: Setting,
    moments: list[Embedded],
    measured: Separation,
    out: Path,
    dim: int,
    gif: bool,
) -> Pictured:
    name = f"embedding_{setting.name}" + ("" if dim == 2 else f"_{dim}d")
    files = [out / f"{name}.png"]
    save_png(draw_embedding(moments[-1], setting, measured), files[0], dpi=DPI)
    if gif:
        files.append(out / f"{name}.gif")
        draw = partial(_frame, setting=setting, reach=reach_of(moments[-1].points))
        animate(moments, draw, files[-1])
    if setting.name in MARGINS:
        files.append(out / f"boundary_{setting.name}.png")
        save_png(draw_boundary(margin_of(setting.name)), files[-1], dpi=DPI)
    return Pictured(setting.name, dim, files, measured)


def _frame(moment: Embedded, setting: Setting, reach: float) -> Any:
    measured = separation(moment.points, moment.labels)
    return draw_embedding(moment, setting, measured, reach=reach)
