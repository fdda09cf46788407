"""Labeled Faces in the Wild with labels of LFW only: View 1, then View 2 with the recipe fixed.

python -m benchmarks.accuracy.lfw [--stage choose|view1|view2|all] [--budget SECONDS]
    [--members M] [--candidate NAME --variant NAME] [--quick] [--markdown]

Stage ``choose`` trains candidates on two thirds of the people of DevTrain and judges them on the
others, by all ways to compare photos; everything else of LFW is closed. Stage ``view1`` trains the
chosen one on DevTrain and tests it on the 1,000 pairs of DevTest, once a seed. Stage ``view2``
trains it ten times, on the people of nine folds, and tests it on the pairs of the tenth. The
threshold is that of people who were held out from training. Cells are named
``STAGE/CANDIDATE/VARIANT/MEMBERS/FOLD/BUDGET/SEED``: a fold is measured alone by, for example,
``--stage view2 --cells 'view2/*/*/*/3/*/*'``. LIKEWISE_DATA is the folder of real data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.accuracy import cells, tables
from benchmarks.accuracy.changes import (
    ARCFACE,
    COSFACE,
    EQUAL_RATES,
    PLAIN_BATCHES,
    SOFTMAX,
    STRONG,
)
from benchmarks.accuracy.choice import (
    best_candidate,
    candidates_table,
    of_choice,
    quick_part,
    two_parts,
)
from benchmarks.accuracy.lfw_models import VARIANTS, on_held_out, on_pairs, trained
from benchmarks.accuracy.lfw_parts import (
    Trial,
    closed_to_choices,
    development,
    view_1,
    view_2,
)
from benchmarks.accuracy.sealed import seal
from benchmarks.accuracy.store import Cell, Line, Numbers, select
from benchmarks.sets.faces import folder_of_lfw
from likewise.data.manifest import Manifest

MODULE = "benchmarks.accuracy.lfw"
FOLDS, SEEDS, BUDGET = range(1, 11), range(3), 1800
EVERY = "every"  # a cell of the choice tries every variant
CANDIDATES: dict[str, list[str]] = {
    "default": [],
    "default, strong augmentation": STRONG,
    "cosface": COSFACE,
    "arcface": ARCFACE,
    "sub-centres": [
        "loss.name=subcenter_arcface", "loss.margin=0.2", "loss.scale=auto", *PLAIN_BATCHES,
    ],
    "softmax": SOFTMAX,
    "softmax and center": ["loss.name=softmax + 0.003*center", *EQUAL_RATES, *PLAIN_BATCHES],
    "contrastnet 56": [
        "model.name=contrastnet", "input.height=56", "input.width=56", *COSFACE,
    ],
}  # fmt: skip


def cell(
    stage: str, candidate: str, variant: str, members: int, fold: int, budget: float, seed: int
) -> Cell:
    return Cell({
        "stage": stage, "candidate": candidate, "variant": variant, "members": members,
        "fold": fold, "budget": budget, "seed": seed,
    })  # fmt: skip


def measure(
    stage: str, candidate: str, variant: str, members: int, fold: int, budget: float, seed: int
) -> Numbers:
    lfw, settings = folder_of_lfw(), CANDIDATES[candidate]
    if stage == "choose":
        seal(closed_to_choices(lfw))
        return choice_on(development(lfw), settings, budget, seed, members)
    trial = view_1(lfw, seed) if stage == "view1" else view_2(lfw, fold, seed)
    return tested(trial, settings, variant, budget, seed, members)


def choice_on(
    people: Manifest, settings: Sequence[str], budget: float, seed: int, members: int = 1
) -> Numbers:
    """A candidate judged by every variant on development people who are not in its training.

    Args:
        people: the photos of the development people, and no others.
        settings: of the candidate, as by ``--set``.
        budget: CPU seconds of a model.
        seed: of the people who are held out, and of the training.
        members: models whose embeddings are used together.
    """
    fitted, held_out = (quick_part(part, budget) for part in two_parts(people, seed))
    models, spent = trained(fitted, settings, budget, seed, members)
    found: Numbers = {"cpu_seconds": spent}
    for name, variant in VARIANTS.items():
        found[f"auc {name}"], found[f"accuracy {name}"], _ = on_held_out(
            models, fitted, held_out, variant
        )
    return found


def tested(
    trial: Trial, settings: Sequence[str], variant: str, budget: float, seed: int, members: int
) -> Numbers:
    """The test of one variant, at the threshold of people held out from training."""
    people = quick_part(trial.training, budget)
    models, spent = trained(people, settings, budget, seed, members)
    way, training = VARIANTS[variant], people.split("train")
    _, held_out_accuracy, threshold = on_held_out(models, training, people.split("val"), way)
    area, right = on_pairs(models, training, trial.photos, trial.pairs, way, threshold)
    return {
        "accuracy": right, "auc": area, "threshold": threshold,
        "held_out_accuracy": held_out_accuracy, "cpu_seconds": spent,
    }  # fmt: skip


def best_pair(lines: Sequence[Line]) -> tuple[str, str]:
    """The candidate and the variant with the highest AUC on held-out development people."""
    best, found = -1.0, ("", "")
    for variant in VARIANTS:
        candidate = best_candidate(lines, f"auc {variant}")
        of_it = [line for line in lines if line.cell.keys["candidate"] == candidate]
        value = tables.mean(tables.values(of_it, f"auc {variant}")).mean
        if value > best:
            best, found = value, (candidate, variant)
    return found


def markdown(lines: Iterable[Line]) -> str:
    """The choice, View 1, and View 2."""
    lines = list(lines)
    stages = {
        stage: select(lines, lambda keys, stage=stage: keys["stage"] == stage)  # type: ignore[misc]  # bound now
        for stage in ("choose", "view1", "view2")
    }
    by_variant = {f"{n} {variant}": 4 for variant in VARIANTS for n in ("auc",)}
    return "\n".join([
        "AUC on people held out from DevTrain, by how two photos are compared:\n",
        candidates_table(stages["choose"], by_variant),
        "\nView 1, DevTest (interval over seeds):\n",
        tested_table(stages["view1"]),
        "\nView 2 (± is the standard error over the ten folds, as the protocol asks):\n",
        folds_table(stages["view2"]),
        "",
        tables.footnote(lines),
    ])  # fmt: skip


def by_way(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        keys = line.cell.keys
        name = f"{keys['candidate']}, {keys['variant']}, members {keys['members']}, "
        found.setdefault(f"{name}{keys['budget']:g} s each", []).append(line)
    return found


def tested_table(lines: Iterable[Line]) -> str:
    rows = [
        [name, *(tables.shown(tables.mean(tables.values(some, n)), 4) for n in ("accuracy", "auc"))]
        for name, some in by_way(lines).items()
    ]
    return tables.table(["recipe", "accuracy", "AUC"], rows)


def folds_table(lines: Iterable[Line]) -> str:
    """The mean of the folds and its standard error; the seeds of a fold are averaged first."""
    rows = []
    for name, some in by_way(lines).items():
        row = [name]
        for number in ("accuracy", "auc"):
            folds: dict[int, list[float]] = {}
            for line in some:
                of_fold = folds.setdefault(int(line.cell.keys["fold"]), [])
                of_fold.append(float(line.numbers[number]))
            means = [sum(values) / len(values) for values in folds.values()]
            mean = sum(means) / len(means)
            error = (sum((m - mean) ** 2 for m in means) / max(1, len(means) - 1)) ** 0.5
            row.append(f"{mean:.4f} ± {error / len(means) ** 0.5:.4f}")
        rows.append([*row, str(len(folds))])
    return tables.table(["recipe", "accuracy", "AUC", "folds"], rows)


def main() -> int:
    parser = cells.stage_options(__doc__, "lfw", ("view1", "view2"), CANDIDATES, BUDGET)
    parser.add_argument("--variant", choices=VARIANTS, help="compare so, whatever is chosen")
    parser.add_argument("--members", type=int, default=1, help="models used together in the tests")
    given = parser.parse_args()
    budget, seeds = (3.0, range(1)) if given.quick else (given.budget, SEEDS)

    def tests(lines: list[Line]) -> list[Cell]:
        candidate, variant = given.candidate, given.variant
        if not (candidate and variant):
            chosen = best_pair(of_choice(lines, budget))
            candidate, variant = candidate or chosen[0], variant or chosen[1]
        fixed, wanted = (candidate, variant, given.members), []
        if given.stage in ("view1", "all"):
            wanted += [cell("view1", *fixed, 0, budget, seed) for seed in seeds]
        if given.stage in ("view2", "all"):
            folds = FOLDS[:1] if given.quick else FOLDS
            wanted += [cell("view2", *fixed, fold, budget, 0) for fold in folds]
        return wanted

    names = ["contrastnet 56"] if given.quick else list(CANDIDATES)
    choice = [cell("choose", n, EVERY, 1, 0, budget, seed) for seed in seeds for n in names]
    return cells.run_stages("lfw", MODULE, given, choice, tests, markdown)


if __name__ == "__main__":
    raise SystemExit(main())
