"""Check an index: its recall on fresh queries against its evidence, and drift of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from likewise.arguments import check_count
from likewise.errors import InputError
from likewise.search.contents.read_only import ReadOnlyIndex
from likewise.search.tuning.drift import Shift, shift_of
from likewise.search.tuning.evidence import Evidence
from likewise.search.tuning.ground_truth import QUERIES, GroundTruth, exact_copy, leave_one_out
from likewise.search.tuning.probes import Probes, labels_of, without_indexed
from likewise.search.tuning.recall import Recall
from likewise.search.tuning.target import Target

__all__ = ["Check", "check"]

GROWTH = 0.25  # relative change of the number of vectors that calls for tuning again


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Args:
        recalls: now, by name.
        stated: the recalls of the evidence for comparable queries; None for an untuned index.
        asked: the target recalls.
        queries: how many queries were searched.
        sampled: the queries are own vectors of the index, each left out of its own result.
        k: how many neighbors.
        count: the number of vectors now.
        count_then: the number when it was tuned.
        shift: of the scores of nearest vectors.
        failures: why the check fails; empty if it passes.
        drift: what has changed in the data, harmful or not.
        notes: other remarks, such as a recall that fell, but still reaches its target.
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
        """Whether the check passes."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the report."""
        return {"holds": self.holds, **asdict(self)} | {
            "failures": list(self.failures), "drift": list(self.drift), "notes": list(self.notes),
        }  # fmt: skip


def check(
    index: ReadOnlyIndex,
    probes: Probes | None = None,
    *,
    recall: float | None = None,
    k: int | None = None,
    count: int = QUERIES,
    seed: int = 0,
) -> Check:
    """Measure the recall of an index on fresh queries, and compare it with the evidence.

    With probes, the check fails if a recall is below its target with 95 % confidence, or if its
    confidence interval is below that of the evidence and it does not reach the target with 95 %
    confidence. Without probes, some of its own vectors are searched, each left out of its own
    result, and compared with the same recall at build time. This
    shows a change, but does not estimate the recall on new queries.

    Args:
        index: any index; an untuned one is compared with ``recall`` only.
        probes: queries that are not in the index (those equal to an indexed vector are left out),
            with labels in the numbering of ``labels_of(index.items)``.
        recall: the target; the one of the evidence if None.
        k: how many neighbors; that of the evidence, or 10, if None. With another k than that of the
            evidence, only ``recall`` is a target.
        count: how many own vectors to search.
        seed: of the random choice.

    Raises:
        InputError: the index has fewer than two vectors, ``recall`` is not in (0, 1), k is below 1,
            the queries do not fit the index, or most of them are indexed.

    Example:
        >>> import numpy as np
        >>> from likewise.search.tuning.check import check
        >>> from likewise.search.index import Index
        >>> index = Index.build(np.random.default_rng(0).normal(size=(300, 8)))
        >>> check(index, recall=0.99).holds
        True
    """
    if len(index) < 2:
        raise InputError(f"index: {len(index)} vectors; at least two are needed")
    check_count("seed", seed, least=0)
    if recall is not None:
        Target(recall)
    evidence = Evidence.from_dict(index.evidence) if index.evidence else None
    k = check_count("k", (evidence.k if evidence else 10) if k is None else k)
    threshold = evidence.threshold if evidence else None
    mapped = index.in_mapped_space()
    asked = dict(evidence.asked) if evidence else {}
    left_out = ""
    if probes is None:
        truth = leave_one_out(index, k, threshold, count=count, seed=seed)
        stated, parts = (evidence.own, [evidence.nearest_own]) if evidence else (None, [])
        drawn = float(min(QUERIES, evidence.count)) if evidence else 0.0
        if evidence and evidence.independent:
            drawn = evidence.independent[1]
        asked = {}
    else:
        admitted = replace(probes, queries=index.prepare(probes.queries))
        fresh, left_out = without_indexed(admitted, mapped.vectors)
        truth = GroundTruth(exact_copy(index), fresh, k, labels_of(index.items), threshold)
        stated = evidence.recalls if evidence else None
        parts = [evidence.nearest, evidence.nearest_unknown] if evidence else []
        drawn = float(evidence.probes[1]) if evidence else 0.0
        if evidence and evidence.independent:
            drawn = evidence.independent[0]
    notes = [left_out] if left_out else []
    if evidence and k != evidence.k:
        stated, asked = None, {}
        notes.append(
            f"measured at k = {k}; it was tuned at k = {evidence.k}, so this is not compared with "
            "the recall measured then"
        )
    if recall is not None:
        asked["recall"] = recall
    recalls = truth.measure(mapped)
    failures, fell = _failures(recalls, stated or {}, asked)
    probed = truth.probes
    shift = shift_of(parts, drawn, truth.nearest_scores, probed.groups, probed.unknown)
    return Check(
        recalls, stated, asked, len(probed), probes is None, k, len(index),
        evidence.count if evidence else None, shift,
        tuple(failures),
        tuple(_drift(index, evidence, shift, probed)), (*notes, *fell),
    )  # fmt: skip


def _failures(
    now: Mapping[str, Recall], stated: Mapping[str, Recall], asked: Mapping[str, float]
) -> tuple[list[str], list[str]]:
    """The failures; and notes on recalls that fell, but still reach their target."""
    failures, fell = [], []
    for name, recall in now.items():
        if name in asked and recall.high < asked[name]:
            failures.append(
                f"{name} is {recall.value:.4f}, below {recall.high:.4f} with 95 % confidence; "
                f"the target is {asked[name]:g}"
            )
        elif name in stated and recall.high < stated[name].low:
            then = stated[name]
            line = (
                f"{name} fell to {recall.value:.4f} ({recall.low:.4f} to {recall.high:.4f}) from "
                f"{then.value:.4f} ({then.low:.4f} to {then.high:.4f})"
            )
            if name in asked and recall.low >= asked[name]:
                fell.append(f"{line}; it still reaches its target of {asked[name]:g}")
            else:
                failures.append(line)
    return failures, fell


def _drift(
    index: ReadOnlyIndex, evidence: Evidence | None, shift: Shift | None, probes: Probes
) -> list[str]:
    found = []
    if evidence is not None:
        change = len(index) / max(evidence.count, 1) - 1
        if abs(change) > GROWTH:
            found.append(f"{len(index):,} vectors, {change:+.0%} since it was tuned; tune it again")
    if index.degraded:
        found.append("many vectors were added or removed since the build; rebuild it")
    if shift is not None and shift.matters:
        grouped = probes.labels is not None or len(np.unique(probes.groups)) < len(probes)
        alone = "" if grouped else "; without identities, each query counts as a different person"
        found.append(
            f"the median score of the nearest vector is {shift.now:.3f}; it was {shift.before:.3f} "
            f"at tuning (Kolmogorov-Smirnov {shift.distance:.2f}): the data differs{alone}"
        )
    return found
