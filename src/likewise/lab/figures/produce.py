"""All figures of the losses: train on eight people with each loss, draw, measure and write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from likewise.arguments import check_count
from likewise.data.orl import orl_faces
from likewise.evaluation.separation import Separation, separation
from likewise.lab.figures.animate import animate
from likewise.lab.figures.draw_boundary import draw_boundary
from likewise.lab.figures.draw_embedding import draw_embedding
from likewise.lab.figures.draw_overview import draw_overview
from likewise.lab.figures.draw_plane import reach_of
from likewise.lab.figures.learn import STEPS, Snapshot, learn, one_thread
from likewise.lab.figures.palette import save_png
from likewise.lab.figures.settings import Setting, setting_of, settings
from likewise.lab.figures.views import Views, draw_views
from likewise.storage import require_writable, write_json

__all__ = ["LossFigures", "produce"]

MAIN = (
    "softmax", "center", "normalized_softmax", "lsoftmax",
    "sphereface", "cosface", "arcface", "airface",
)  # fmt: skip
"""The losses of the overview."""
PEOPLE = range(1, 9)
TRAINING, SHOWN = 400, 60  # views of each person
FRAMES = 40
DPI = 110


@dataclass(frozen=True)
class LossFigures:
    """The figures of one loss.

    Args:
        loss: its name.
        dim: length of an embedding.
        files: the files written.
        separation: the measured separation, angles in radians.
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
    losses: Sequence[str] | None = None,
    *,
    dim: int = 2,
    gif: bool = False,
    seed: int = 0,
    steps: int = STEPS,
    say: Callable[[str], None] = print,
) -> list[LossFigures]:
    """Write ``embedding_LOSS.png`` and ``boundary_LOSS.png`` for each loss, and ``overview.png``.

    Boundaries exist for the softmax family; the overview is drawn if all of its eight losses are
    requested, in two dimensions. Figures in three dimensions end in ``_3d.png``. The measured
    separation is written to ``figures.json``.

    Args:
        out: the folder.
        losses: names as in ``list_losses()``; None: all.
        dim: length of an embedding, 2 or 3.
        gif: also write ``embedding_LOSS.gif``, the embeddings during training.
        seed: of views, weights and batches; the same seed gives the same numbers.
        steps: training steps for each loss.
        say: receives a line of progress for each loss.

    Raises:
        InputError: an unknown loss, another dimension, or fewer than 2 steps.
        MissingExtra: the photos are not installed.
        LikewiseError: the folder cannot be written.
    """
    check_count("dim", dim, least=2, most=3)
    check_count("steps", steps, least=2)
    chosen = [setting_of(name) for name in dict.fromkeys(settings() if losses is None else losses)]
    photos = orl_faces(PEOPLE)
    require_writable(out)
    say(f"drawing {TRAINING} views of each of {len(PEOPLE)} people")
    with one_thread():
        training = draw_views(photos, TRAINING, seed=2 * seed)
        shown = draw_views(photos, SHOWN, seed=2 * seed + 1)
    made: list[LossFigures] = []
    last: dict[str, tuple[Setting, Snapshot, Separation]] = {}
    for number, setting in enumerate(chosen, 1):
        say(f"{setting.figure.title} ({number} of {len(chosen)})")
        snapshots = _learn(setting, training, shown, dim, steps, seed, gif)
        measured = separation(snapshots[-1].points, snapshots[-1].labels)
        made.append(_draw(setting, snapshots, measured, out, dim, gif))
        last[setting.name] = (setting, snapshots[-1], measured)
    if dim == 2 and all(name in last for name in MAIN):
        say("the overview")
        save_png(draw_overview([last[name] for name in MAIN]), out / "overview.png", dpi=DPI - 20)
    write_json(out / "figures.json", [entry.to_dict() | {"seed": seed} for entry in made])
    return made


def _learn(
    setting: Setting, training: Views, shown: Views, dim: int, steps: int, seed: int, gif: bool
) -> list[Snapshot]:
    frames = min(FRAMES, steps) if gif else 1
    return learn(setting, training, shown, dim=dim, steps=steps, seed=seed, frames=frames)


def _draw(
    setting: Setting,
    snapshots: list[Snapshot],
    measured: Separation,
    out: Path,
    dim: int,
    gif: bool,
) -> LossFigures:
    name = f"embedding_{setting.name}" + ("" if dim == 2 else f"_{dim}d")
    files = [out / f"{name}.png"]
    save_png(draw_embedding(snapshots[-1], setting, measured), files[0], dpi=DPI)
    if gif:
        files.append(out / f"{name}.gif")
        draw = partial(_frame, setting=setting, reach=reach_of(snapshots[-1].points))
        animate(snapshots, draw, files[-1])
    if setting.has_boundary:
        files.append(out / f"boundary_{setting.name}.png")
        save_png(draw_boundary(setting.name), files[-1], dpi=DPI)
    return LossFigures(setting.name, dim, files, measured)


def _frame(snapshot: Snapshot, setting: Setting, reach: float) -> Any:
    measured = separation(snapshot.points, snapshot.labels)
    return draw_embedding(snapshot, setting, measured, reach=reach)
