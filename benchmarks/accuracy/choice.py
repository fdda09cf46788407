"""Choose a recipe on identities that are held out from the development part.

No function here gets test photos. Each candidate is trained on one part of the development
identities and judged on the other; the one with the highest mean over seeds is chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from benchmarks.accuracy import tables
from benchmarks.accuracy.clock import Clock
from benchmarks.accuracy.scores import scores
from benchmarks.accuracy.store import Line, Numbers, select
from benchmarks.accuracy.training import in_order, temporary_run, train_default
from likewise.data.manifest import Manifest
from likewise.data.splits import with_photos
from likewise.errors import InputError

QUICK_SECONDS, QUICK_IDENTITIES = 10, 60
SHARE = 0.35  # of the identities, or of the groups of identities, to judge on

Settings = Mapping[str, Sequence[str]]


def two_parts(
    development: Manifest, seed: int, *, group: str = "identity", share: float = SHARE
) -> tuple[Manifest, Manifest]:
    """Photos to train on and photos to judge on, with disjoint identities, drawn by the seed.

    Args:
        development: the photos.
        seed: of the draw.
        group: a column; photos that agree in it stay together, as the characters of an alphabet.
        share: of the groups to judge on.
    """
    names = np.array(development.table[group].to_pylist())
    groups = np.unique(names)
    count = max(1, round(share * len(groups)))
    judged = np.random.default_rng(seed).permutation(groups)[:count]
    outside = np.isin(names, judged)
    return (
        development.take(np.flatnonzero(~outside)),
        with_photos(development.take(np.flatnonzero(outside)), 2),
    )


def quick_part(manifest: Manifest, budget: float) -> Manifest:
    """Some identities in a run of less than ten seconds, which only shows that it works."""
    if budget >= QUICK_SECONDS:
        return manifest
    several = with_photos(manifest, 2)
    return several.take(np.flatnonzero(several.labels < QUICK_IDENTITIES))


def judged(
    fitted: Manifest,
    held_out: Manifest,
    settings: Sequence[str],
    budget: float,
    seed: int,
    *,
    flip: bool = False,
) -> Numbers:
    """Train with these settings on one part, evaluate on the other."""
    fitted, held_out = quick_part(fitted, budget), quick_part(held_out, budget)
    with temporary_run() as folder:
        clock = Clock()
        embedder = train_default(fitted, folder, budget, seed, settings)
        spent = clock.seconds
    found = scores(in_order(embedder, held_out, flip=flip), held_out.labels)
    return {**found, "cpu_seconds": spent}


def best_candidate(lines: Iterable[Line], number: str = "auc") -> str:
    """The candidate with the highest mean over seeds.

    Raises:
        InputError: nothing was measured yet.
    """
    found: dict[str, list[float]] = {}
    for line in lines:
        value = line.numbers.get(number)
        if value is not None:
            found.setdefault(str(line.cell.keys["candidate"]), []).append(float(value))
    if not found:
        raise InputError("nothing to choose from: measure the candidates first (--stage choose)")
    return max(found, key=lambda name: float(np.mean(found[name])))


def candidates_table(lines: Iterable[Line], numbers: Mapping[str, int]) -> str:
    """One row a candidate: means and intervals over seeds on the held-out identities."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(str(line.cell.keys["candidate"]), []).append(line)
    rows = [
        [
            name,
            *(
                tables.shown(tables.mean(v), digits) if (v := tables.values(some, n)) else "–"
                for n, digits in numbers.items()
            ),
        ]
        for name, some in found.items()
    ]
    headings = ["candidate", *(tables.HEADINGS.get(n, n) for n in numbers)]
    return tables.table(headings, rows)


def of_choice(lines: Iterable[Line], budget: float) -> list[Line]:
    """The results of the choice among candidates with this budget."""
    return select(lines, lambda keys: keys["stage"] == "choose" and keys["budget"] == budget)
