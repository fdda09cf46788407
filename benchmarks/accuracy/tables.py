"""Means with intervals, and tables of them in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from scipy.stats import t

from benchmarks.accuracy.store import Line
from likewise.lab.compare.intervals import Estimate, estimate

COLUMNS = {"auc": 3, "recall_at_1": 3, "map_at_r": 3}
HEADINGS = {"auc": "AUC", "recall_at_1": "Recall@1", "map_at_r": "MAP@R", "eer": "EER"}


def mean(values: Sequence[float]) -> Estimate:
    """The mean over seeds and its 95 % t-interval."""
    return estimate(values, [0] * len(values))


def difference(values: Sequence[float], against: Sequence[float]) -> Estimate:
    """The difference of two means and its 95 % interval by Welch's t, for unpaired runs."""
    gap = float(np.mean(values) - np.mean(against))
    sizes = [len(values), len(against)]
    if min(sizes) < 2:
        return Estimate(gap, None, sum(sizes))
    parts = [float(np.var(v, ddof=1)) / len(v) for v in (values, against)]
    error = sum(parts)
    if not error:
        return Estimate(gap, 0.0, sum(sizes))
    freedom = error**2 / sum(p**2 / (n - 1) for p, n in zip(parts, sizes, strict=True))
    return Estimate(gap, float(t.ppf(0.975, freedom)) * error**0.5, sum(sizes))


def shown(found: Estimate | None, digits: int = 3, *, signed: bool = False) -> str:
    """``.912 ± .004``; a dash where nothing was measured."""
    if found is None:
        return "–"
    value = f"{found.mean:+.{digits}f}" if signed else f"{found.mean:.{digits}f}"
    return value if found.half is None else f"{value} ± {found.half:.{digits}f}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are numbers."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def footnote(lines: Sequence[Line]) -> str:
    """On which processor, how long, by which version."""
    if not lines:
        return "Not measured yet."
    parts = []
    ordered = sorted(lines, key=lambda line: line.cpu)
    for cpu, some in groupby(ordered, key=lambda line: line.cpu):
        measured = list(some)
        hours = sum(line.hours for line in measured)
        parts.append(f"{hours:.1f} hours on one core of {cpu}")
    versions = sorted({line.version for line in lines})
    dates = sorted(line.date[:10] for line in lines)
    days = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return f"{len(lines)} runs: {', '.join(parts)}; {days}, Likewise {', '.join(versions)}."


def values(lines: Sequence[Line], number: str) -> list[float]:
    """A number of each line that has it."""
    return [float(line.numbers[number]) for line in lines if line.numbers.get(number) is not None]
