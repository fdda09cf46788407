"""AT&T/ORL: twenty people to train on and twenty others to test on, in five splits.

python -m benchmarks.accuracy.orl [--stage choose|test|all] [--budget SECONDS] [--quick]
    [--markdown]

Stage ``choose`` compares candidates on people held out from the training half, with the test half
closed; stage ``test`` trains the chosen one on the training half, ten seeds on each of five splits,
and evaluates it on the test half. Cells are named ``STAGE/CANDIDATE/SPLIT/BUDGET/SEED``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from benchmarks.accuracy import cells, tables
from benchmarks.accuracy.changes import STRONG
from benchmarks.accuracy.choice import (
    best_candidate,
    candidates_table,
    judged,
    of_choice,
    two_parts,
)
from benchmarks.accuracy.levers import files_of
from benchmarks.accuracy.sealed import seal
from benchmarks.accuracy.store import Cell, Line, Numbers, select
from likewise.data.manifest import Manifest
from likewise.data.orl import PEOPLE, orl_faces
from likewise.lab.compare.intervals import estimate

MODULE = "benchmarks.accuracy.orl"
SPLITS, SEEDS, CHOICE_SEEDS = range(5), range(10), range(3)
BUDGET = 60
CANDIDATES: dict[str, list[str]] = {
    "default": [],
    "contrastnet 56": [
        "model.name=contrastnet", "input.height=56", "input.width=56",
    ],
    "contrastnet 56, strong augmentation": [
        "model.name=contrastnet", "input.height=56", "input.width=56", *STRONG,
    ],
    "default, strong augmentation": STRONG,
}  # fmt: skip


def halves(split: int) -> tuple[Manifest, Manifest]:
    """The photos of twenty people and those of the twenty others; split 0 is in the usual order."""
    everyone = orl_faces()
    order = np.arange(PEOPLE)
    if split:
        order = np.random.default_rng(split).permutation(PEOPLE)
    first = np.isin(everyone.labels, order[: PEOPLE // 2])
    return everyone.take(np.flatnonzero(first)), everyone.take(np.flatnonzero(~first))


def all_cells(stage: str, candidates: Iterable[str], budget: float, *, quick: bool) -> list[Cell]:
    candidates = list(candidates)[:1] if quick else candidates
    seeds = range(1) if quick else SEEDS if stage == "test" else CHOICE_SEEDS
    return [
        Cell({"stage": stage, "candidate": name, "split": split, "budget": budget, "seed": seed})
        for seed in seeds
        for split in (range(1) if quick else SPLITS)
        for name in candidates
    ]


def measure(stage: str, candidate: str, split: int, budget: float, seed: int) -> Numbers:
    training, test = halves(split)
    settings = CANDIDATES[candidate]
    if stage == "test":
        return judged(training, test, settings, budget, seed)
    seal(files_of(test))
    return judged(*two_parts(training, seed), settings, budget, seed)


def markdown(lines: Iterable[Line]) -> str:
    """The choice, then the test with intervals over the splits."""
    lines = list(lines)
    choosing = select(lines, lambda keys: keys["stage"] == "choose")
    test = select(lines, lambda keys: keys["stage"] == "test")
    parts = [
        "On people held out from the training half:\n",
        candidates_table(choosing, {"auc": 3, "recall_at_1": 3}),
        "\nOn the test half (mean over seeds; the interval is over the splits):\n",
    ]
    found: dict[str, list[Line]] = {}
    for line in test:
        found.setdefault(str(line.cell.keys["candidate"]), []).append(line)
    rows = [
        [name, *(over_splits(some, number) for number in ("auc", "recall_at_1", "map_at_r", "eer"))]
        for name, some in found.items()
    ]
    parts += [tables.table(["candidate", "AUC", "Recall@1", "MAP@R", "EER"], rows), ""]
    return "\n".join([*parts, tables.footnote(lines)])


def over_splits(lines: list[Line], number: str) -> str:
    splits = [int(line.cell.keys["split"]) for line in lines]
    return tables.shown(estimate(tables.values(lines, number), splits))


def main() -> int:
    given = cells.stage_options(__doc__, "orl", ("test",), CANDIDATES, BUDGET).parse_args()
    budget = 3.0 if given.quick else given.budget

    def tests(lines: list[Line]) -> list[Cell]:
        chosen = given.candidate or best_candidate(of_choice(lines, budget))
        return all_cells("test", [chosen], budget, quick=given.quick)

    choice = all_cells("choose", CANDIDATES, budget, quick=given.quick)
    return cells.run_stages("orl", MODULE, given, choice, tests, markdown)


if __name__ == "__main__":
    raise SystemExit(main())
