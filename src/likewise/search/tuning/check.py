"""Does an index still find what it promised? Its recall on fresh queries, and what has moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from likewise.errors import InputError
from likewise.search.contents.input_checks import checked_count
from likewise.search.index import Index
from likewise.search.tuning.aim import Aim, require_seed
from likewise.search.tuning.drift import Shift, shift_of
from likewise.search.tuning.evidence import Evidence
from likewise.search.tuning.indexed_queries import without_indexed
from likewise.search.tuning.labels import labels_of
from likewise.search.tuning.leave_one_out import QUERIES, exact_twin, own_yardstick
from likewise.search.tuning.probes import Probes
from likewise.search.tuning.recall import Recall
from likewise.search.tuning.yardstick import Yardstick

__all__ = ["Check", "check"]

GROWTH = 0.25  # a change in number that calls for another tuning


@dataclass(frozen=True)
class Check:
    """What a check found.

    Args:
        recalls: now, by name.
        stated: what the evidence says of like queries; None for an index that was not tuned.
        asked: what was to be reached.
        queries: how many were searched.
        sampled: they were taken from the index itself, each left out of its own answer.
        k: how many neighbours.
        count: vectors now.
        count_then: vectors when it was tuned.
        shift: of the score of the nearest.
        failures: why it does not hold; empty if it does.
        drift: what has moved, whether or not it does harm.
        notes: what else there is to know: a recall that fell, but still surely is what was asked.
    """

    recalls: Mapping[str, Recall]
    stated: Mapping[str, Recall] | None
    asked: Mapping[str, float]
    queries: int
    sampled: bool
    k: int
    count: int
    count_then: int | None
    shift: Shift | None
    failures: tuple[str, ...]
    drift: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Nothing promised is missed."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """The report's JSON."""
        return {"holds": self.holds, **asdict(self)} | {
            "failures": list(self.failures), "drift": list(self.drift), "notes": list(self.notes),
        }  # fmt: skip


def check(
    index: Index,
    probes: Probes | None = None,
    *,
    recall: float | None = None,
    k: int | None = None,
    count: int = QUERIES,
    seed: int = 0,
) -> Check:
    """Measure an index's recall on fresh queries, and compare it with its evidence.

    With queries it fails if the recall is surely below what was asked; and, where its interval is
    below that in the evidence, unless it still surely is what was asked. Without, some of its own
    vectors are searched, each left out of its answer, and held against the same when the index was
    built: that shows a change, but is no proof of the recall on new queries.

    Args:
        index: any; one that was not tuned has only ``recall`` to be held against.
        probes: queries that it does not hold (those whose very vector it does are left out); labels
            as ``labels_of`` its items numbers them.
        recall: what must be reached; what the evidence says was asked if None.
        k: how many neighbours; the evidence's, or 10, if None. With another than the evidence's
            only ``recall`` is held against it: what was promised holds at its own k.
        count: how many to sample.
        seed: draws them.

    Raises:
        InputError: the index is all but empty, ``recall`` is not in (0, 1), k is below 1, or the
            queries do not fit it, or most of these are indexed.

    Example:
        >>> import numpy as np
        >>> from likewise.search.tuning.check import check
        >>> from likewise.search.index import Index
        >>> index = Index.build(np.random.default_rng(0).normal(size=(300, 8)))
        >>> check(index, recall=0.99).holds
        True
    """
    if len(index) < 2:
        raise InputError(f"index: {len(index)} vectors; there is nothing to search for")
    require_seed(seed)
    if recall is not None:
        Aim(recall)
    evidence = Evidence.from_dict(index.evidence) if index.evidence else None
    k = checked_count((evidence.k if evidence else 10) if k is None else k)
    threshold = evidence.threshold if evidence else None
    plain = index.in_own_space()
    asked = dict(evidence.asked) if evidence else {}
    left_out = ""
    if probes is None:
        yardstick = own_yardstick(index, k, threshold, count=count, seed=seed)
        stated, parts = (evidence.own, [evidence.nearest_own]) if evidence else (None, [])
        drawn = float(min(QUERIES, evidence.count)) if evidence else 0.0
        if evidence and evidence.independent:
            drawn = evidence.independent[1]
        asked = {}
    else:
        admitted = replace(probes, queries=index.admit(probes.queries))
        fresh, left_out = without_indexed(admitted, plain.vectors)
        yardstick = Yardstick(exact_twin(index), fresh, k, labels_of(index.items), threshold)
        stated = evidence.recalls if evidence else None
        parts = [evidence.nearest, evidence.nearest_unknown] if evidence else []
        drawn = float(evidence.probes[1]) if evidence else 0.0
        if evidence and evidence.independent:
            drawn = evidence.independent[0]
    notes = [left_out] if left_out else []
    if evidence and k != evidence.k:
        stated, asked = None, {}
        notes.append(
            f"measured at k = {k}; it was tuned at k = {evidence.k}, and nothing that was promised "
            "there is held against this"
        )
    if recall is not None:
        asked["recall"] = recall
    recalls = yardstick.measure(plain)
    failures, fell = _failures(recalls, stated or {}, asked)
    asking = yardstick.probes
    shift = shift_of(parts, drawn, yardstick.nearest_scores, asking.groups, asking.unknown)
    return Check(
        recalls, stated, asked, len(yardstick.probes), probes is None, k, len(index),
        evidence.count if evidence else None, shift,
        tuple(failures),
        tuple(_drift(index, evidence, shift, yardstick.probes)), (*notes, *fell),
    )  # fmt: skip


def _failures(
    now: Mapping[str, Recall], stated: Mapping[str, Recall], asked: Mapping[str, float]
) -> tuple[list[str], list[str]]:
    """What does not hold; and what fell, but still surely is what was asked."""
    failures, fell = [], []
    for name, recall in now.items():
        if name in asked and recall.high < asked[name]:
            failures.append(
                f"{name} is {recall.value:.4f}, surely below {recall.high:.4f}; "
                f"{asked[name]:g} was asked"
            )
        elif name in stated and recall.high < stated[name].low:
            then = stated[name]
            line = (
                f"{name} fell to {recall.value:.4f} ({recall.low:.4f} to {recall.high:.4f}) from "
                f"{then.value:.4f} ({then.low:.4f} to {then.high:.4f})"
            )
            if name in asked and recall.low >= asked[name]:
                fell.append(f"{line}; that still surely is the {asked[name]:g} that was asked")
            else:
                failures.append(line)
    return failures, fell


def _drift(
    index: Index, evidence: Evidence | None, shift: Shift | None, probes: Probes
) -> list[str]:
    found = []
    if evidence is not None:
        change = len(index) / max(evidence.count, 1) - 1
        if abs(change) > GROWTH:
            found.append(f"{len(index):,} vectors, {change:+.0%} since it was tuned; tune it again")
    if index.degraded:
        found.append("much was added or removed since it was built; build it again")
    if shift is not None and shift.matters:
        grouped = probes.labels is not None or len(np.unique(probes.groups)) < len(probes)
        alone = (
            "" if grouped else "; without identities, each query is taken as a person of its own"
        )
        found.append(
            f"the nearest vector scores {shift.now:.3f} in the median, {shift.before:.3f} when "
            f"it was tuned (Kolmogorov-Smirnov {shift.distance:.2f}): other data than then{alone}"
        )
    return found
