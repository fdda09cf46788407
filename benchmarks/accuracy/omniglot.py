"""Omniglot: trained on the background alphabets, tested on the evaluation alphabets.

python -m benchmarks.accuracy.omniglot [--stage choose|test|all] [--budget SECONDS] [--quick]
    [--markdown]

Stage ``choose`` compares candidates on ten background alphabets that are held out, with the
evaluation archive and the one-shot runs closed. Stage ``test`` trains the chosen one on all
background alphabets and reports AUC, Recall@1 and MAP@R of the evaluation characters, and the
accuracy of the 20 official one-shot runs. Cells are named ``STAGE/CANDIDATE/BUDGET/SEED``.
LIKEWISE_DATA is the folder of real data.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from benchmarks.accuracy import cells, tables
from benchmarks.accuracy.changes import COSFACE, PLAIN_BATCHES
from benchmarks.accuracy.choice import (
    best_candidate,
    candidates_table,
    judged,
    of_choice,
    quick_part,
    two_parts,
)
from benchmarks.accuracy.clock import Clock
from benchmarks.accuracy.scores import Vectors, scores, unit_rows
from benchmarks.accuracy.sealed import seal
from benchmarks.accuracy.store import Cell, Line, Numbers, select
from benchmarks.accuracy.training import in_order, temporary_run, train_default
from benchmarks.sets.faces import real_data
from likewise.data.formats import read_manifest
from likewise.data.protocols.omniglot import OneShotRun, read_one_shot_runs

MODULE = "benchmarks.accuracy.omniglot"
BACKGROUND, EVALUATION = "images_background.zip", "images_evaluation.zip"
ONE_SHOT = "one_shot_runs.zip"
SEEDS, BUDGET = range(3), 1200
MOVED = [
    "augment.geometry.degrees=12", "augment.geometry.zoom=0.12", "augment.geometry.translate=0.07",
    "augment.geometry.perspective=0.05", "augment.geometry.elastic=0.03", "augment.color.p=0",
]  # fmt: skip
SMALL = ["model.name=contrastnet", "input.height=48", "input.width=48", *MOVED]
CANDIDATES: dict[str, list[str]] = {
    "default": [],
    "default, letters": MOVED,
    "contrastnet 48, cosface": [*SMALL, *COSFACE],
    "contrastnet 48, normface": [
        *SMALL, "loss.name=normalized_softmax", "loss.scale=auto", *PLAIN_BATCHES,
    ],
    "contrastnet 48, averaged": [*SMALL, *COSFACE, "training.ema=0.999"],
}  # fmt: skip


def all_cells(stage: str, candidates: Iterable[str], budget: float, *, quick: bool) -> list[Cell]:
    candidates = list(candidates)[-1:] if quick else candidates
    return [
        Cell({"stage": stage, "candidate": name, "budget": budget, "seed": seed})
        for seed in (range(1) if quick else SEEDS)
        for name in candidates
    ]


def measure(stage: str, candidate: str, budget: float, seed: int) -> Numbers:
    settings, place = CANDIDATES[candidate], real_data("omniglot")
    if stage == "choose":
        seal([place / EVALUATION, place / ONE_SHOT])
    background = read_manifest(place / BACKGROUND)
    if stage == "choose":
        return judged(*two_parts(background, seed, group="alphabet"), settings, budget, seed)
    with temporary_run() as run:
        clock = Clock()
        embedder = train_default(quick_part(background, budget), run, budget, seed, settings)
        spent = clock.seconds
    evaluation = quick_part(read_manifest(place / EVALUATION), budget)
    one_shot = read_one_shot_runs(place / ONE_SHOT)
    vectors = in_order(embedder, one_shot.images)
    right = [one_shot_accuracy(vectors, of_run) for of_run in one_shot.runs]
    found = scores(in_order(embedder, evaluation), evaluation.labels)
    return {"one_shot": float(np.mean(right)), **found, "cpu_seconds": spent}


def one_shot_accuracy(vectors: Vectors, run: OneShotRun) -> float:
    """The share of test images whose most similar training image shows their character."""
    directions = unit_rows(vectors)
    similar = directions[run.tests] @ directions[run.training].T
    return float((similar.argmax(axis=1) == run.answers).mean())


def markdown(lines: Iterable[Line]) -> str:
    """The choice on background alphabets, then the test."""
    lines = list(lines)
    choosing = select(lines, lambda keys: keys["stage"] == "choose")
    test = select(lines, lambda keys: keys["stage"] == "test")
    shown = {"auc": 4, "recall_at_1": 3, "map_at_r": 3}
    return "\n".join([
        "On background alphabets that were held out:\n",
        candidates_table(choosing, shown),
        "\nOn the evaluation alphabets, and the 20 one-shot runs (seeds are the draws):\n",
        candidates_table(test, {**shown, "one_shot": 4}),
        "",
        tables.footnote(lines),
    ])  # fmt: skip


def main() -> int:
    given = cells.stage_options(__doc__, "omniglot", ("test",), CANDIDATES, BUDGET).parse_args()
    budget = 3.0 if given.quick else given.budget

    def tests(lines: list[Line]) -> list[Cell]:
        chosen = given.candidate or best_candidate(of_choice(lines, budget))
        return all_cells("test", [chosen], budget, quick=given.quick)

    choice = all_cells("choose", CANDIDATES, budget, quick=given.quick)
    return cells.run_stages("omniglot", MODULE, given, choice, tests, markdown)


if __name__ == "__main__":
    raise SystemExit(main())
