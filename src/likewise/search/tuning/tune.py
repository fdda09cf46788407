"""The tuner: finds the fastest index that reaches a recall within limits on memory and time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from likewise.arguments import check_count
from likewise.arrays import as_array, as_table
from likewise.data.embeddings import EXTERNAL
from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError
from likewise.progress import progress
from likewise.search.index import Index
from likewise.search.tuning.candidate import candidates
from likewise.search.tuning.effective_sample_size import effective_group_count
from likewise.search.tuning.evidence import Evidence, conditions, data_fingerprint, quantiles_of
from likewise.search.tuning.final import ValidatedPick, final_points, validated_pick
from likewise.search.tuning.frontier import Point
from likewise.search.tuning.halving import FINALISTS, SuccessiveHalving, sample_sizes
from likewise.search.tuning.probes import MIN_VECTORS, Probes, labels_of
from likewise.search.tuning.target import Limits, Target
from likewise.search.tuning.task import Task, prepare, why_exact_suffices
from likewise.search.tuning.tuning import Tuning
from likewise.search.tuning.unreachable import unreachable

__all__ = ["tune", "tuned_index"]

PROBES = 4000  # held out: one half selects settings, the other validates them
LATENCY = 5e-4  # seconds a query: a tenth of the time to embed the photo


def tune(
    vectors: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    recall: float | None = None,
    target: Target | None = None,
    limits: Limits | None = None,
    metric: str | Mahalanobis = "cosine",
    families: Sequence[str] | None = None,
    probes: Probes | None = None,
    items: Any = None,
    count: int = PROBES,
    seed: int = 0,
) -> Tuning:
    """Find the fastest index that reaches a recall on queries that it does not hold.

    Exact search is timed first; if it is fast enough, it is the result. Otherwise families and
    their settings are measured on samples, the best of them on larger samples and finally on all
    vectors, and the fastest are timed again side by side. One is chosen if the lower bound of its
    recall (95 % confidence) also reaches the target on probes that were not used for the selection.

    Args:
        vectors: [N,D], the vectors that will be indexed.
        labels: [N], the people, as whole numbers or names: for the recall of mates, and for probes
            of unknown people. Names are numbered in their sorted order.
        recall: recall@10 to be reached, for one query at a time; short for ``target``.
        target: a ``Target``; by default a recall of 0.95 at k = 10, one query at a time.
        limits: none if None.
        metric: see ``Index.build``.
        families: the families to try; all installed ones if None.
        probes: queries that are not among the vectors; held out of the vectors if None. Probes
            equal to one of the vectors are left out.
        items: the items of the index, as for ``Index.build``; they count towards the memory limit.
        count: how many probes to hold out; at most a tenth of the vectors.
        seed: of all random choices.

    Raises:
        InputError: wrong vectors, labels or probes; most probes are among the vectors; mates
            without labels; an unknown family; both ``recall`` and ``target``.
        LikewiseError: nothing reaches the target within the limits; the message names the best
            index found, and the limit that would be needed.

    Example:
        >>> import numpy as np
        >>> from likewise.search.tuning.tune import tune
        >>> vectors = np.random.default_rng(0).normal(size=(500, 8))
        >>> tuning = tune(vectors, recall=0.9)
        >>> len(tuning.build())
        500
    """
    check_count("seed", seed, least=0)
    target = _target(recall, target)
    vectors = as_array(vectors, "vectors")
    items = None if items is None else as_table(items, "items")
    limits = replace(limits or Limits(), items_bytes=0 if items is None else items.nbytes)
    task = prepare(vectors, labels, target, limits, metric, probes, count, seed)
    tried, left_out = candidates(
        families, len(task.vectors), task.vectors.shape[1], task.space.metric
    )
    halving = SuccessiveHalving(task)
    found = {task.exact_point: task.exact}
    exact_suffices = why_exact_suffices(task)
    if not exact_suffices and tried:
        sizes = sample_sizes(len(task.vectors))
        last = FINALISTS if sizes else len(tried)
        planned = sum(
            size * max(last, len(tried) // 2**number) for number, size in enumerate(sizes)
        ) + len(task.vectors) * min(last, len(tried))
        with progress("tuning", planned, unit="vectors") as advance:
            left = halving.run(tried, advance)
            found = final_points(task, left[:last], halving, advance)
    chosen = validated_pick(task, found)
    if chosen is None:
        raise unreachable(task, found, halving)
    return Tuning(
        pick=chosen.pick,
        exact=task.exact_point,
        points=tuple(chosen.pick if p is chosen.point else p for p in _timed(found)),
        samples=tuple(_timed(halving.points)),
        not_tried=left_out,
        dropped=halving.dropped,
        reason=exact_suffices or _reason(chosen),
        evidence=_evidence(task, chosen, vectors),
        given=None if probes is None else len(probes),
        target=task.target,
        limits=task.limits,
        metric=metric,
        vectors=vectors,
    )


def tuned_index(
    vectors: ArrayLike,
    ids: ArrayLike | None = None,
    *,
    recall: float | None = None,
    target: Target | None = None,
    limits: Limits | None = None,
    family: str | None = None,
    metric: str | Mahalanobis = "cosine",
    fingerprint: str = EXTERNAL,
    items: Any = None,
    seed: int = 0,
) -> Index:
    """Tune, and build the index over all vectors.

    Fewer vectors than ``tune`` needs (20) give an exact index without evidence. A target without a
    latency gets one of half a millisecond: exact search is taken if it needs no more.

    Args:
        vectors, ids, metric, fingerprint, items: see ``Index.build``.
        recall, target, limits, seed: see ``tune``; the column ``identity`` of ``items`` has the
            labels.
        family: the only family to try besides exact search; all installed ones if None.

    Raises:
        InputError: see ``tune`` and ``Index.build``.
        LikewiseError: see ``tune``.

    Example:
        >>> import numpy as np
        >>> from likewise.search.tuning.tune import tuned_index
        >>> tuned_index(np.random.default_rng(0).normal(size=(500, 8)), recall=0.9).family
        'exact'
    """
    check_count("seed", seed, least=0)
    target = _target(recall, target)
    rows = as_array(vectors, "vectors")
    items = None if items is None else as_table(items, "items")
    if rows.ndim == 0 or len(rows) < MIN_VECTORS:
        return Index.build(rows, ids, metric=metric, fingerprint=fingerprint, items=items)
    labels = None if items is None or items.num_rows != len(rows) else labels_of(items)
    if target.latency is None:
        target = replace(target, latency=LATENCY)
    tuning = tune(
        rows, labels, target=target, limits=limits, metric=metric,
        families=[family] if family else None, items=items, seed=seed,
    )  # fmt: skip
    return tuning.build(rows, ids, fingerprint=fingerprint, items=items)


def _target(recall: float | None, target: Target | None) -> Target:
    if recall is None:
        return target or Target()
    if target is not None:
        raise InputError("recall, target: give one of them; a target has a recall")
    return Target(recall)


def _timed(points: Iterable[Point]) -> list[Point]:
    """The points that were close enough to the target to be timed."""
    return [point for point in points if point.seconds < float("inf")]


def _reason(chosen: ValidatedPick) -> str:
    if chosen.pick.family == "exact":
        return "within the limits, nothing that reaches the target is faster than exact search"
    words = f"the fastest that reaches the target, {chosen.speed:.2f}× as fast as exact search"
    if chosen.rejected:
        words += f"; {chosen.rejected} faster ones missed it on the validation probes"
    return words


def _evidence(task: Task, chosen: ValidatedPick, vectors: ArrayLike) -> Evidence:
    truth, validation = task.validation_truth, task.validation
    return Evidence(
        asked=task.target.recalls,
        k=task.target.k,
        batch=task.target.batch,
        threshold=task.threshold,
        recalls=chosen.recalls,
        own={},
        seconds=chosen.pick.seconds,
        exact_seconds=task.exact_point.seconds,
        speed=chosen.speed,
        memory=chosen.pick.memory + task.limits.items_bytes,
        exact_memory=task.exact.memory + task.limits.items_bytes,
        build_s=chosen.pick.build_s,
        count=len(task.vectors),
        held_out=task.held_out,
        probes=(len(task.selection), len(validation)),
        independent=(effective_group_count(validation.groups, validation.unknown), 0.0),
        nearest=quantiles_of(truth.nearest_scores[~validation.unknown]),
        nearest_unknown=quantiles_of(truth.nearest_scores[validation.unknown]),
        nearest_own=(),
        data=data_fingerprint(vectors),
        seed=task.seed,
        **conditions(),
    )
