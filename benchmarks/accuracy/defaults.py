"""The default of ``likewise train`` against a plain script and a peer, with equal CPU seconds.

python -m benchmarks.accuracy.defaults [--cells PATTERN] [--quick] [--markdown] [--pictures FOLDER]

Sets × methods × budgets × seeds; a cell is named ``SET/METHOD/BUDGET/SEED``. Methods:

- ``likewise``: the library with nothing said but the time;
- ``plain``: a plain script of four stride-2 blocks (``benchmarks.accuracy.plain``);
- ``pml-cosface``, ``pml-triplet``: pytorch-metric-learning in the network of our default.

The budget is in CPU seconds of the training process and its children, from the first photo that is
decoded to the last step. All methods run on one core with one thread. Accuracy is that of the
test part, whose identities are in no training. Ends with 1 where the default is neither the best
nor within the 95 % interval of the best in a cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import cells, tables
from benchmarks.accuracy.clock import Clock, marks_until
from benchmarks.accuracy.peers import train_peer
from benchmarks.accuracy.plain import Trained, decoded, train_plain
from benchmarks.accuracy.scores import Vectors, auc, scores
from benchmarks.accuracy.store import Cell, Line, Numbers, select
from benchmarks.accuracy.training import (
    WatchedTraining,
    default_recipe,
    each_step,
    in_order,
    temporary_run,
    train_default,
)
from benchmarks.sets import load_set
from benchmarks.sets.split import Split
from likewise.models.embedder import Embedder

MODULE = "benchmarks.accuracy.defaults"
SETS = (
    "orl", "lfw-few", "lfw-aligned", "lfw-raw", "omniglot-60", "omniglot-900",
    "emoji-few", "emoji", "patches", "fonts",
)  # fmt: skip
METHODS = ("likewise", "plain", "pml-cosface", "pml-triplet")
BUDGETS = (60, 300, 1200)
SEEDS = range(3)
DEFAULT, PLAIN = "likewise", "plain"


def all_cells(*, quick: bool, sets: Iterable[str] = SETS) -> list[Cell]:
    """Short budgets first, so that a table is soon there."""
    return [
        Cell({"set": name, "method": method, "budget": budget, "seed": seed})
        for budget in ((4,) if quick else BUDGETS)
        for seed in (range(1) if quick else SEEDS)
        for name in sets
        for method in METHODS
    ]


def measure(set: str, method: str, budget: float, seed: int) -> Numbers:  # the key's name
    """Train by one method on the training part, evaluate on the test part."""
    split = load_set(set)
    test_labels = split.test.labels

    def judge(vectors: Vectors) -> float:
        return auc(vectors, test_labels)

    marks = marks_until(budget)
    if method == DEFAULT:
        trained, more = by_default(split, budget, seed, marks)
    elif method == PLAIN:
        more = {}
        trained = train_plain(split.train, split.test, budget, seed, marks, judge)
    else:
        more, recipe = {}, default_recipe(split.train, budget)
        trained = train_peer(method, recipe, split.train, split.test, budget, seed, marks, judge)
    return {
        **scores(trained.vectors, test_labels),
        "cpu_seconds": trained.seconds,
        "steps": trained.steps,
        "photos": trained.photos,
        "curve": trained.curve.points,
        **more,
    }


def by_default(
    split: Split, budget: float, seed: int, marks: list[float]
) -> tuple[Trained, Numbers]:
    """The library's own training, watched at the marks."""
    kept: dict[str, Any] = {}

    def judge(embedder: Embedder) -> float:
        if "pixels" not in kept:  # the input is known only now
            kept["pixels"] = decoded(split.test, embedder.preprocess)
        vectors = embedder.embed_pixels(kept["pixels"], batch_size=256)
        return auc(vectors, split.test.labels)

    with temporary_run() as folder:
        clock = Clock()
        watched = WatchedTraining(clock, marks, judge)
        with each_step(watched):
            embedder = train_default(split.train, folder, budget, seed)
        spent = clock.seconds
        recipe = (folder / "recipe.yaml").read_text("utf-8")
    vectors = in_order(embedder, split.test)
    trained = Trained(vectors, watched.curve, spent, watched.steps, watched.photos)
    return trained, {"recipe": recipe}


Cells = dict[tuple[str, float], dict[str, list[Line]]]


def grouped(lines: Iterable[Line]) -> Cells:
    """The runs of each method, by set and budget, in the order of the sets."""
    found: Cells = {}
    order = {name: place for place, name in enumerate(SETS)}
    for line in sorted(
        lines,
        key=lambda one: (order.get(str(one.cell.keys["set"]), 99), one.cell.keys["budget"]),
    ):
        keys = line.cell.keys
        of_methods = found.setdefault((str(keys["set"]), float(keys["budget"])), {})
        of_methods.setdefault(str(keys["method"]), []).append(line)
    return found


def standing(runs: Mapping[str, list[Line]], number: str) -> dict[str, str]:
    """Of each method: ``best``, ``within`` the 95 % interval of the best, or nothing."""
    found = {method: tables.mean(tables.values(some, number)) for method, some in runs.items()}
    best = max(found, key=lambda method: found[method].mean)
    lowest = found[best].mean - (found[best].half or 0.0)
    return {
        method: "best" if method == best else "within" if value.mean >= lowest else ""
        for method, value in found.items()
    }


def markdown(lines: Iterable[Line]) -> str:
    """The AUC on all sets, a table a budget; then all numbers, a table a set."""
    lines = list(lines)
    everything = grouped(lines)
    parts = [overview(everything, budget) for budget in sorted({place[1] for place in everything})]
    for name in dict.fromkeys(place[0] for place in everything):
        rows: list[list[str]] = []
        for (other, budget), runs in everything.items():
            if other == name:
                rows += rows_of(budget, runs)
        headings = ["CPU seconds, method", *tables.HEADINGS.values()][:4]
        headings += ["AUC over the plain script", "images/s", "seconds used"]
        of_set = select(lines, lambda keys, name=name: keys["set"] == name)  # type: ignore[misc]  # bound now
        parts.append(f"### {name}\n\n{tables.table(headings, rows)}\n\n{tables.footnote(of_set)}")
    return "\n\n".join(parts)


def overview(everything: Cells, budget: float) -> str:
    """The mean AUC of each method on each set with this budget; the best of a set is bold."""
    there = [(name, runs) for (name, other), runs in everything.items() if other == budget]
    methods = [m for m in METHODS if any(m in runs for _, runs in there)]
    rows = []
    for name, runs in there:
        means = {m: tables.mean(tables.values(runs[m], "auc")).mean for m in methods if m in runs}
        best = max(means, key=lambda method: means[method])
        texts = {m: f"**{v:.3f}**" if m == best else f"{v:.3f}" for m, v in means.items()}
        rows.append([name, *(texts.get(method, "–") for method in methods)])
    return f"### AUC after {budget:g} CPU seconds\n\n{tables.table(['set', *methods], rows)}"


def rows_of(budget: float, runs: Mapping[str, list[Line]]) -> list[list[str]]:
    """One row a method; the best is bold, those within its interval are marked by a °."""
    marks = {number: standing(runs, number) for number in tables.COLUMNS}
    rows = []
    for method in (m for m in METHODS if m in runs):
        some, row = runs[method], [f"{budget:g}, {method}"]
        for number, digits in tables.COLUMNS.items():
            text = tables.shown(tables.mean(tables.values(some, number)), digits)
            mark = marks[number][method]
            row.append(f"**{text}**" if mark == "best" else f"{text} °" if mark else text)
        gap = None
        if method != PLAIN and PLAIN in runs:
            gap = tables.difference(tables.values(some, "auc"), tables.values(runs[PLAIN], "auc"))
        row.append(tables.shown(gap, signed=True))
        used = float(np.mean(tables.values(some, "cpu_seconds")))
        row += [_rate(some), f"{used:.0f}"]
        rows.append(row)
    return rows


def _rate(lines: list[Line]) -> str:
    rates = [
        float(line.numbers["photos"]) / float(line.numbers["cpu_seconds"])
        for line in lines
        if line.numbers.get("photos")
    ]
    return f"{np.mean(rates):,.0f}" if rates else "–"


def shortfalls(lines: Iterable[Line]) -> list[str]:
    """The cells in which the default is neither the best nor within the interval of the best."""
    found = []
    for (name, budget), runs in grouped(lines).items():
        if DEFAULT in runs and len(runs) > 1 and not standing(runs, "auc")[DEFAULT]:
            found.append(f"{name} at {budget:g} s")
    return found


def clearly_above(lines: Iterable[Line]) -> tuple[int, int]:
    """In how many cells the default is above the plain script with certainty, and of how many."""
    gaps = [
        tables.difference(tables.values(runs[DEFAULT], "auc"), tables.values(runs[PLAIN], "auc"))
        for runs in grouped(lines).values()
        if DEFAULT in runs and PLAIN in runs
    ]
    return sum(gap.certain and gap.mean > 0 for gap in gaps), len(gaps)


def main() -> int:
    parser = cells.options(__doc__, "defaults")
    parser.add_argument("--sets", default=",".join(SETS), help="some of the sets")
    parser.add_argument("--pictures", metavar="FOLDER", type=Path, help="draw the curves there")
    given = parser.parse_args()
    store = cells.store_of(given, "defaults")
    wanted = all_cells(quick=given.quick, sets=given.sets.split(","))
    well = cells.measure(store, wanted, MODULE, given)
    if given.list:
        return 0
    lines = list(store.lines().values())
    print(markdown(lines))
    if given.pictures:
        from benchmarks.accuracy.curves import draw_curves

        draw_curves(grouped(lines), given.pictures)
    short, (above, total) = shortfalls(lines), clearly_above(lines)
    print(f"\nThe default is clearly above the plain script in {above} of {total} cells.")
    for place in short:
        print(f"FALLS SHORT: {place}: the default is below the interval of the best")
    return int(bool(short) or not well)


if __name__ == "__main__":
    raise SystemExit(main())
