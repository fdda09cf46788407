"""Which lever gives how much: the default recipe with one setting changed at a time.

python -m benchmarks.accuracy.levers [--sets A,B] [--budget SECONDS] [--quick] [--markdown]

The recipe is the one that is chosen for the photos; a lever changes the keys that it names and no
other (``benchmarks.accuracy.changes``). All runs may take the same time, so that a lever that costs
time pays for it where the time is short. The identities to judge on are a third of the training
part of each set: the test part is not opened, so these results may serve to choose defaults. A cell
is named ``SET/LEVER/BUDGET/SEED``. A lever that a chosen recipe has already is not measured there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks.accuracy import cells, tables
from benchmarks.accuracy.changes import FLIP, all_levers, levers
from benchmarks.accuracy.choice import judged, quick_part, two_parts
from benchmarks.accuracy.sealed import seal
from benchmarks.accuracy.store import Cell, Line, Numbers, Value
from benchmarks.accuracy.training import default_recipe
from benchmarks.sets import load_set
from likewise.data.manifest import Manifest
from likewise.lab.compare.intervals import mean_difference
from likewise.training.recipe.named import find_recipe

MODULE = "benchmarks.accuracy.levers"
SETS = ("lfw-few", "lfw-aligned", "omniglot-60", "emoji", "patches", "fonts")
SEEDS = range(3)
BUDGET = 120
DEFAULT = "default"
UNCHANGED = "unchanged"  # instead of results: the chosen recipe has the lever's values already


def all_cells(sets: Iterable[str], budget: float, *, quick: bool) -> list[Cell]:
    names = [DEFAULT, *all_levers(find_recipe("compact"))]
    return [
        Cell({"set": of_set, "lever": name, "budget": budget, "seed": seed})
        for seed in (range(1) if quick else SEEDS)
        for of_set in sets
        for name in (names[:2] if quick else names)
    ]


def measure(set: str, lever: str, budget: float, seed: int) -> Numbers:
    """Train with one lever on two thirds of the training identities, judge on the others."""
    split = load_set(set)
    seal(files_of(split.test))
    fitted, held_out = two_parts(split.train, seed)
    settings: list[str] = []
    if lever != DEFAULT:
        settings = levers(default_recipe(quick_part(fitted, budget), budget)).get(lever, [])
        if not settings:
            return {UNCHANGED: True}
    found = judged(
        fitted,
        held_out,
        [setting for setting in settings if setting != FLIP],
        budget,
        seed,
        flip=FLIP in settings,
    )
    return {**found, "settings": settings}


def files_of(manifest: Manifest) -> list[Path]:
    """The files of a manifest's photos; the file that holds them, if there is one."""
    if manifest.store is not None:
        return [manifest.root]
    return [manifest.root / name for name in manifest.names]


def markdown(lines: Iterable[Line]) -> str:
    """The change of the AUC by each lever, on each set and over all of them."""
    found: dict[Value, dict[tuple[Value, Value], float]] = {}
    lines = [line for line in lines if UNCHANGED not in line.numbers]
    for line in lines:
        keys = line.cell.keys
        of_lever = found.setdefault(keys["lever"], {})
        of_lever[keys["set"], keys["seed"]] = float(line.numbers["auc"])
    reference = found.pop(DEFAULT, {})
    sets = list(dict.fromkeys(name for name, _ in reference))
    rows: list[list[str]] = []
    rows.append([f"{DEFAULT} (AUC)", *(_level(reference, name) for name in sets), ""])
    for lever, values in found.items():
        rows.append([str(lever), *(_change(values, reference, [name]) for name in sets)])
        rows[-1].append(_change(values, reference, sets))
    text = tables.table(["lever", *map(str, sets), "mean of the sets"], rows)
    return f"{text}\n\n{tables.footnote(lines)}"


def _level(values: dict[tuple[Value, Value], float], name: Value) -> str:
    return tables.shown(tables.mean([v for (of_set, _), v in values.items() if of_set == name]))


def _change(
    values: dict[tuple[Value, Value], float],
    reference: dict[tuple[Value, Value], float],
    sets: list[Value],
) -> str:
    """The mean paired difference; over several sets, each set is one draw."""
    both = [place for place in values if place in reference and place[0] in sets]
    if not both:
        return "–"
    change = mean_difference(
        [values[place] for place in both],
        [reference[place] for place in both],
        [sets.index(place[0]) for place in both],
    )
    text = tables.shown(change, signed=True)
    return f"**{text}**" if change.certain else text


def main() -> int:
    parser = cells.options(__doc__, "levers")
    parser.add_argument("--sets", default=",".join(SETS), help="some of the sets")
    parser.add_argument("--budget", type=float, default=BUDGET, help="CPU seconds of a run")
    given = parser.parse_args()
    store = cells.store_of(given, "levers")
    budget = 3.0 if given.quick else given.budget
    wanted = all_cells(given.sets.split(","), budget, quick=given.quick)
    well = cells.measure(store, wanted, MODULE, given)
    if not given.list:
        print(markdown(store.lines().values()))
    return int(not well)


if __name__ == "__main__":
    raise SystemExit(main())
