"""The losses on LFW's View 1: which differences are real, and from where triplets converge.

python -m benchmarks.accuracy.losses [--budget SECONDS] [--trials N] [--quick] [--markdown]

Each draw splits the people of DevTrain anew: two thirds to tune and train on, a third to test on.
In each draw every loss is tuned and trained by ``likewise compare`` under equal conditions: from
random weights, and the losses on triplets also from a network that learned with softmax on the same
people. The t-interval is over draws, so it holds for other people, not only for these. Cells are
named ``START/LOSS/DRAW/BUDGET/TRIALS``. DevTest is not opened. LIKEWISE_DATA is the folder of real
data.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.stats import ttest_1samp

from benchmarks.accuracy import cells, tables
from benchmarks.accuracy.choice import quick_part, two_parts
from benchmarks.accuracy.lfw_parts import closed_to_choices, development
from benchmarks.accuracy.sealed import seal
from benchmarks.accuracy.store import Cell, Line, Numbers
from benchmarks.accuracy.training import train_within
from benchmarks.sets.faces import folder_of_lfw
from likewise.data.manifest import Manifest
from likewise.data.splits import with_photos
from likewise.lab.compare.comparison import compare
from likewise.lab.compare.conditions import comparison_recipe
from likewise.lab.compare.intervals import mean_difference
from likewise.training.recipe.recipe import Recipe, recipe_with

MODULE = "benchmarks.accuracy.losses"
DRAWS, BUDGET, TRIALS = range(5), 120, 3
RANDOM, PRETRAINED = "random start", "softmax start"
REFERENCE = "softmax"
LOSSES = (
    "softmax", "normalized_softmax", "lsoftmax", "sphereface", "cosface", "arcface", "airface",
    "center", "contrastive", "circle", "multi_similarity", "supcon", "proxy_anchor",
)  # fmt: skip
TRIPLETS = (
    "triplet:batch_all", "triplet:semi_hard", "triplet:batch_hard", "triplet:distance_weighted",
    "triplet:easy_positive", "triplet:curriculum",
)  # fmt: skip
SETTINGS = [
    "input.height=56", "input.width=56", "augment.flip=0.5", "data.keep_mib=4096",
    "model.embedding_dim=128",
]  # fmt: skip


def all_cells(budget: float, trials: int, *, quick: bool) -> list[Cell]:
    """Softmax first in each draw: all others are compared with it."""
    pairs = [(RANDOM, loss) for loss in (*LOSSES, *TRIPLETS)]
    pairs += [(PRETRAINED, loss) for loss in (REFERENCE, *TRIPLETS)]
    if quick:
        pairs = [(RANDOM, REFERENCE), (RANDOM, TRIPLETS[1]), (PRETRAINED, TRIPLETS[1])]
    return [
        Cell({"start": start, "loss": loss, "draw": draw, "budget": budget, "trials": trials})
        for draw in (DRAWS[:2] if quick else DRAWS)
        for start, loss in pairs
    ]


def measure(start: str, loss: str, draw: int, budget: float, trials: int) -> Numbers:
    """Tune and train one loss in one draw, by ``likewise compare`` with a fixed test set."""
    logging.getLogger("likewise").setLevel(logging.ERROR)
    lfw = folder_of_lfw()
    seal(closed_to_choices(lfw))
    fitted, held_out = two_parts(with_photos(development(lfw), 2), draw)
    fitted, held_out = quick_part(fitted, budget), quick_part(held_out, budget)
    recipe = recipe_with(comparison_recipe(), SETTINGS)
    with tempfile.TemporaryDirectory() as place:
        if start == PRETRAINED:
            weights = pretrained(fitted, Path(place) / "start", recipe, budget, draw)
            recipe = recipe_with(recipe, [f"model.weights={weights}"])
        found = compare(
            fitted, Path(place) / "compare", [loss], unseen=held_out, recipe=recipe, seeds=1,
            trials=trials, budget=budget, say=lambda _: None,
        )  # fmt: skip
    row = found.rows[0]
    if not row.estimates:
        return {"failed": "; ".join(row.failed) or "no run finished"}
    numbers = {name: value.mean for name, value in row.estimates.items()}
    return {**numbers, "tuned": "; ".join(row.tuned)}


def pretrained(people: Manifest, out: Path, recipe: Recipe, budget: float, seed: int) -> Path:
    """A network that learned with softmax on the same people for as long."""
    softmax = recipe_with(
        recipe,
        [
            "loss.name=softmax", "data.val_identities=0", "batch.sampler=plain",
            "schedule.warmup_epochs=0", "schedule.margin_warmup_epochs=0",
        ],
    )  # fmt: skip
    train_within(people, out, softmax, budget, seed)
    return out / "model"


def differences(lines: Iterable[Line]) -> list[tuple[str, str, list[float], list[float], int]]:
    """Of each start and loss: its AUCs, those of the reference in the same draws, and failures."""
    lines = list(lines)
    found: dict[tuple[str, str], dict[int, float | None]] = {}
    for line in lines:
        keys = line.cell.keys
        place = (str(keys["start"]), str(keys["loss"]))
        value = line.numbers.get("auc")
        found.setdefault(place, {})[int(keys["draw"])] = None if value is None else float(value)
    rows = []
    for (start, loss), aucs in found.items():
        reference = found.get((start, REFERENCE), {})
        draws = [d for d in aucs if aucs[d] is not None and reference.get(d) is not None]
        own = [value for d in draws if (value := aucs[d]) is not None]
        other = [value for d in draws if (value := reference[d]) is not None]
        rows.append((start, loss, own, other, sum(value is None for value in aucs.values())))
    return rows


def real(p_values: dict[tuple[str, str], float], level: float = 0.05) -> set[tuple[str, str]]:
    """The differences that remain with all of them tested together (Holm's method)."""
    found = set()
    ordered = sorted(p_values, key=lambda place: p_values[place])
    for rank, place in enumerate(ordered):
        if p_values[place] > level / (len(ordered) - rank):
            break
        found.add(place)
    return found


def markdown(lines: Iterable[Line]) -> str:
    """One row a start and loss, the best first."""
    lines = list(lines)
    rows = differences(lines)
    p_values = {
        (start, loss): float(ttest_1samp(np.subtract(own, other), 0).pvalue)
        for start, loss, own, other, _ in rows
        if loss != REFERENCE and len(own) > 1
    }
    kept = real({place: p for place, p in p_values.items() if p == p})
    shown = []
    for start, loss, own, other, failed in sorted(
        rows, key=lambda row: (row[0], -float(np.mean(row[2] or [0.0])))
    ):
        gap = "–"
        if own and loss != REFERENCE:
            gap = tables.shown(mean_difference(own, other, range(len(own))), 4, signed=True)
        level = tables.shown(tables.mean(own), 4) if own else "–"
        verdict = "yes" if (start, loss) in kept else "" if loss == REFERENCE else "no"
        shown.append([start, loss, level, gap, verdict, str(failed or "")])
    headings = ["start", "loss", "AUC", "minus softmax", "real", "failed"]
    text = tables.table(headings, shown)
    return f"{text}\n\n{tables.footnote(lines)}"


def main() -> int:
    parser = cells.options(__doc__, "losses")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds of each run")
    parser.add_argument("--trials", type=int, default=TRIALS, help="tuning trials of each loss")
    given = parser.parse_args()
    store = cells.store_of(given, "losses")
    budget, trials = (2.0, 1) if given.quick else (given.budget, given.trials)
    well = cells.measure(store, all_cells(budget, trials, quick=given.quick), MODULE, given)
    if not given.list:
        print(markdown(store.lines().values()))
    return int(not well)


if __name__ == "__main__":
    raise SystemExit(main())
