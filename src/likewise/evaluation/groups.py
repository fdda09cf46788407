"""Demographic differences: the error rates of each group of people at one common threshold.

Sources: ISO/IEC 19795-10, Quantifying biometric system performance variation across demographic
groups, 2024; Grother, Ngan and Hanaoka, Face recognition vendor test part 3, NISTIR 8280, 2019;
Hanley and Lippman-Hand, If nothing goes wrong, is everything all right?, 1983 (the rule of 3);
Doddington et al., The NIST speaker recognition evaluation, 2000 (the rule of 30).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.data.labels import checked_labels
from likewise.errors import InputError
from likewise.evaluation.intervals.bootstrap import (
    LEVEL,
    REPLICATES,
    Interval,
    check_bootstrap,
    identity_weights,
    percentile_interval,
    widened_to_binomial,
)
from likewise.evaluation.intervals.scored_pairs import ScoredPairs
from likewise.progress import progress

__all__ = ["GroupErrors", "GroupReport", "group_errors"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
MOST = 100  # groups: a column with more holds names or numbers


@dataclass(frozen=True)
class GroupErrors:
    """The error rates among the people of one group.

    Args:
        group: its name.
        identities: the number of people in its pairs.
        genuine: the number of pairs of one person, both photos of the group.
        impostor: the number of pairs of two people, both photos of the group.
        fmr: the share of its impostor pairs that are accepted; None if there are none.
        fnmr: the share of its genuine pairs that are rejected; None if there are none.
        fmr_ratio: ``fmr`` divided by that of all pairs; None if one of them is 0 or missing.
        fnmr_ratio: likewise for ``fnmr``.
        fmr_to_best: ``fmr`` divided by the lowest of any group; None if one is 0 or missing.
        fnmr_to_best: likewise for ``fnmr``.
        warnings: why the rates of this group are uncertain; empty if they are not.
    """

    group: str
    identities: int
    genuine: int
    impostor: int
    fmr: Interval | None
    fnmr: Interval | None
    fmr_ratio: Interval | None
    fnmr_ratio: Interval | None
    fmr_to_best: float | None
    fnmr_to_best: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class GroupReport:
    """The errors of every group of one metadata column.

    Args:
        column: the column's name.
        threshold: the score from which on pairs are accepted, the same for all.
        level: the confidence of the intervals.
        overall: of all pairs, those across groups included; its ratios are None.
        groups: sorted by name.
        across: pairs whose photos are of two groups: they count in ``overall`` only.
    """

    column: str
    threshold: float
    level: float
    overall: GroupErrors
    groups: tuple[GroupErrors, ...]
    across: int


def group_errors(
    pairs: ScoredPairs,
    left: ArrayLike,
    right: ArrayLike,
    threshold: float,
    *,
    column: str = "group",
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> GroupReport:
    """FMR and FNMR of each group at a common threshold, with intervals over identities.

    A pair belongs to a group if both of its photos do. So the impostor pairs of a group are of two
    of its own people, which is the harder test and the one that shows differences.

    Args:
        pairs: with their scores and identities.
        left: the group of each pair's first photo, [N], numbers or names.
        right: likewise of the second.
        threshold: the lowest score that is accepted.
        column: the name of the groups in messages and the report.
        replicates: see ``bootstrap``.
        level: see ``bootstrap``.
        seed: see ``bootstrap``.

    Raises:
        InputError: shapes that do not match; a photo without a group; more than a hundred groups;
            see ``bootstrap``.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.groups import group_errors
        >>> from likewise.evaluation.intervals.scored_pairs import scored_pairs
        >>> a, b = np.repeat(np.arange(8), 2), np.tile([0, 1], 8)
        >>> b = np.where(b == 0, a, (a + 2) % 8)  # each with itself, and with another
        >>> pairs = scored_pairs(np.where(a == b, 0.9, 0.1), a == b, a, b)
        >>> report = group_errors(pairs, a % 2, b % 2, 0.5, column="odd", replicates=50)
        >>> [(g.group, g.genuine, g.impostor, g.fmr.value) for g in report.groups]
        [('0', 4, 4, 0.0), ('1', 4, 4, 0.0)]
    """
    first, second = (checked_labels(side, column) for side in (left, right))
    if first.shape != pairs.scores.shape or second.shape != pairs.scores.shape:
        raise InputError(
            f"{column}: {first.shape} and {second.shape} groups for {len(pairs)} pairs"
        )
    check_bootstrap(level, replicates, pairs.identities)
    names, numbers = np.unique(np.concatenate([first, second]), return_inverse=True)
    if len(names) > MOST:
        raise InputError(
            f"{column}: {len(names):,} groups; at most {MOST} can be compared: use a column with "
            "fewer"
        )
    a, b = np.split(numbers.astype(np.int64), 2)
    group = np.where(a == b, a, len(names))  # the last one: pairs across groups
    wrong = (pairs.scores >= threshold) != pairs.same
    counter = _Counter(pairs, group, wrong, len(names) + 1)
    ones = np.ones(pairs.identities)
    table = counter.rates(ones)
    drawn = []
    with progress(f"bootstrap ({column})", replicates, unit="replicates") as advance:
        for weights in identity_weights(pairs.identities, replicates, seed):
            drawn.append(counter.rates(weights.astype(np.float64)))
            advance(1)
    entries = _entries(
        [str(name) for name in names], pairs, group, wrong, table, np.array(drawn), level
    )
    return GroupReport(
        column=column,
        threshold=threshold,
        level=level,
        overall=entries[-1],
        groups=tuple(entries[:-1]),
        across=int((group == len(names)).sum()),
    )


class _Counter:
    """FMR and FNMR of each group, and of all pairs last, for given weights of the identities."""

    def __init__(
        self, pairs: ScoredPairs, group: Numbers, wrong: NDArray[np.bool_], groups: int
    ) -> None:
        self.pairs, self.groups = pairs, groups
        self.two = pairs.left != pairs.right
        # Four cells for each group: impostors right and wrong, genuine right and wrong.
        self.cell = 4 * group + 2 * pairs.same + wrong

    def rates(self, weights: Floats) -> Floats:
        """[2, groups]: FMR, then FNMR; NaN if there is no pair."""
        mass = weights[self.pairs.left] * np.where(self.two, weights[self.pairs.right], 1.0)
        if self.pairs.weight is not None:
            mass *= self.pairs.weight
        cells = np.bincount(self.cell, weights=mass, minlength=4 * self.groups)
        cells = cells.reshape(self.groups, 2, 2)
        cells[-1] = cells.sum(axis=0)  # all pairs, those across groups included
        with np.errstate(invalid="ignore"):
            rates: Floats = (cells[:, :, 1] / cells.sum(axis=2)).T
        return rates


def _entries(
    names: Sequence[str],
    pairs: ScoredPairs,
    group: Numbers,
    wrong: NDArray[np.bool_],
    table: Floats,
    drawn: Floats,
    level: float,
) -> list[GroupErrors]:
    best = [np.nanmin(row[:-1]) if np.isfinite(row[:-1]).any() else np.nan for row in table]
    entries = []
    for k in range(len(names) + 1):
        everyone = k == len(names)
        inside = np.ones(len(group), bool) if everyone else group == k
        found: list[Interval | None] = []
        ratios: list[Interval | None] = []
        to_best: list[float | None] = []
        warnings = []
        counts = []
        for kind, what in enumerate(("FMR", "FNMR")):
            chosen = inside & (pairs.same == bool(kind))
            counts.append(int(chosen.sum()))
            value, overall = float(table[kind, k]), float(table[kind, -1])
            warning = too_small(what, float((chosen & wrong).sum()), counts[-1])
            warnings += [warning] if warning else []
            found.append(_rate(value, counts[-1], drawn[:, kind, k], level))
            ratios.append(
                None if everyone else _ratio(value, overall, drawn[:, kind, [k, -1]], level)
            )
            known = not everyone and np.isfinite(value) and best[kind] > 0
            to_best.append(value / float(best[kind]) if known else None)
        people = np.union1d(pairs.left[inside], pairs.right[inside])
        entries.append(
            GroupErrors(
                group="all" if everyone else names[k],
                identities=len(people),
                genuine=counts[1],
                impostor=counts[0],
                fmr=found[0],
                fnmr=found[1],
                fmr_ratio=ratios[0],
                fnmr_ratio=ratios[1],
                fmr_to_best=to_best[0],
                fnmr_to_best=to_best[1],
                warnings=tuple(warnings),
            )
        )
    return entries


def _rate(value: float, count: int, drawn: Floats, level: float) -> Interval | None:
    """The interval of the bootstrap, or the binomial one if that is wider."""
    if count == 0:
        return None
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return widened_to_binomial(Interval(value, value, value), count, level)
    return widened_to_binomial(percentile_interval(value, finite, level), count, level)


def _ratio(value: float, overall: float, drawn: Floats, level: float) -> Interval | None:
    if not (value > 0 and overall > 0):
        return None
    usable = drawn[np.isfinite(drawn).all(axis=1) & (drawn[:, 1] > 0)]
    return percentile_interval(value / overall, usable[:, 0] / usable[:, 1], level)


def too_small(what: str, errors: float, count: int) -> str | None:
    """A warning that a rate rests on too few errors; None with 30 errors or more.

    Without an error in n pairs, the true rate may be as high as 3/n (the rule of 3, with 95 %
    confidence). With fewer than 30 errors, the rate may be off by more than 30 % (the rule of 30,
    with 90 % confidence).

    Example:
        >>> from likewise.evaluation.groups import too_small
        >>> too_small("FMR", 0, 600)
        'FMR: no error in 600 pairs; it may be as high as 0.005 (3/n)'
    """
    if errors >= 30:
        return None
    if count == 0:
        return f"{what}: no pairs"
    if errors < 0.5:
        bound = min(1.0, 3 / count)
        return f"{what}: no error in {count:,} pairs; it may be as high as {bound:.2g} (3/n)"
    return (
        f"{what}: only {errors:.0f} errors in {count:,} pairs; with fewer than 30 it may be off by "
        "more than 30 %"
    )
