"""Which lever gives how much: the default recipe with one setting changed at a time.

python -m benchmarks.accuracy.levers [--sets A,B] [--budget SECONDS] [--quick] [--markdown]

All runs have the same CPU seconds, so that a lever that costs time pays for it. The identities to
judge on are a third of the training part of each set: the test part is not opened, so these results
may serve to choose defaults. A cell is named ``SET/LEVER/SETTINGS/BUDGET/SEED``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks.accuracy import cells, tables
from benchmarks.accuracy.choice import judged, two_parts
from benchmarks.accuracy.sealed import seal
from benchmarks.accuracy.store import Cell, Line, Numbers, Value
from benchmarks.sets import load_set
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.lab.compare.intervals import mean_difference
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.recipe.unused_keys import refuse_unused_keys

MODULE = "benchmarks.accuracy.levers"
SETS = ("lfw-few", "lfw-aligned", "omniglot-60", "emoji", "patches", "fonts")
SEEDS = range(3)
BUDGET = 120
DEFAULT = "default"
SEPARATOR = "; "

STRONG = [
    "augment.geometry={p: 1, degrees: 15, translate: 0.08, zoom: 0.15, perspective: 0.1, "
    "elastic: 0.04}",
    "augment.light={p: 0.5}",
    "augment.erase={p: 0.5}",
]
OFF = ["augment.flip=0", "augment.geometry={p: 0}", "augment.color={p: 0}"]

# Settings as of --set. Those that begin with "run." are of this program: budget, a factor of the
# time; flip, the sum of the embeddings of the photo and its mirror image.
LEVERS: dict[str, list[str]] = {
    DEFAULT: [],
    "input 32 px": ["input.height=32", "input.width=32"],
    "input 48 px": ["input.height=48", "input.width=48"],
    "input 64 px": ["input.height=64", "input.width=64"],
    "input 96 px": ["input.height=96", "input.width=96"],
    "grey": ["input.channels=1"],
    "contrastnet": ["model.name=contrastnet"],
    "mobilefacenet": ["model.name=mobilefacenet"],
    "iresnet18": ["model.name=iresnet18"],
    "half the steps": ["run.budget=0.5"],
    "twice the steps": ["run.budget=2"],
    "no augmentation": [*OFF],
    "no flips": ["augment.flip=0"],
    "light augmentation": ["augment.geometry={p: 0.5}", "augment.color={p: 0.5}"],
    "strong augmentation": STRONG,
    "softmax": ["loss.name=softmax"],
    "normface": ["loss.name=normalized_softmax", "loss.scale=auto"],
    "cosface 0.1": ["loss.name=cosface", "loss.margin=0.1", "loss.scale=auto"],
    "cosface 0.3": ["loss.name=cosface", "loss.margin=0.3", "loss.scale=auto"],
    "arcface 0.2": ["loss.name=arcface", "loss.margin=0.2", "loss.scale=auto"],
    "triplet, semi-hard": ["loss.name=triplet", "loss.mining=semi_hard"],
    "supcon": ["loss.name=supcon"],
    "softmax and center": ["loss.name=softmax + 0.003*center"],
    "sub-centres": ["loss.name=subcenter_arcface", "loss.margin=0.2", "loss.scale=auto"],
    "balanced batches": ["batch.sampler=balanced"],
    "plain batches": ["batch.sampler=plain"],
    "batch 32": ["batch.size=32"],
    "no averaging of weights": ["training.ema=0"],
    "averaged weights 0.99": ["training.ema=0.99"],
    "learning rate × 3": ["optimizer.lr=3e-3"],
    "learning rate / 3": ["optimizer.lr=3.3e-4"],
    "64 dimensions": ["model.embedding_dim=64"],
    "256 dimensions": ["model.embedding_dim=256"],
    "dropout 0.2": ["model.dropout=0.2"],
    "weight decay 0.2": ["optimizer.weight_decay=0.2"],
    "flip at test": ["run.flip=true"],
}


def usable(name: str, settings: list[str]) -> bool:
    """Whether the recipe knows the settings; says if not."""
    try:
        refuse_unused_keys(recipe_with(Recipe(), [s for s in settings if s[:4] != "run."]))
    except InputError as error:
        print(f"left out: {name}: {error}")
        return False
    return True


def all_cells(sets: Iterable[str], budget: float, *, quick: bool) -> list[Cell]:
    levers = {name: given for name, given in LEVERS.items() if usable(name, given)}
    if quick:
        levers = dict(list(levers.items())[:2])
    return [
        Cell(
            {
                "set": of_set, "lever": name, "settings": SEPARATOR.join(given), "budget": budget,
                "seed": seed,
            }
        )
        for seed in (range(1) if quick else SEEDS)
        for of_set in sets
        for name, given in levers.items()
    ]  # fmt: skip


def measure(set: str, lever: str, settings: str, budget: float, seed: int) -> Numbers:  # noqa: ARG001  # the keys of the cell
    """Train with one lever on two thirds of the training identities, judge on the others."""
    split = load_set(set)
    seal(files_of(split.test))
    given = [setting for setting in settings.split(SEPARATOR) if setting]
    ours = dict(s.split("=", 1) for s in given if s.startswith("run."))
    fitted, held_out = two_parts(split.train, seed)
    return judged(
        fitted,
        held_out,
        [setting for setting in given if not setting.startswith("run.")],
        budget * float(ours.get("run.budget", 1)),
        seed,
        flip="run.flip" in ours,
    )


def files_of(manifest: Manifest) -> list[Path]:
    """The files of a manifest's photos; the file that holds them, if there is one."""
    if manifest.store is not None:
        return [manifest.root]
    return [manifest.root / name for name in manifest.names]


def markdown(lines: Iterable[Line]) -> str:
    """The change of the AUC by each lever, on each set and over all of them."""
    found: dict[Value, dict[tuple[Value, Value], float]] = {}
    lines = list(lines)
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
