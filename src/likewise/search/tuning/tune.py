"""The tuner: the fastest index that surely reaches the recall that is asked, within the limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.distances.mahalanobis import Mahalanobis
from likewise.progress import progress
from likewise.search.tuning.aim import Aim, Limits, require_seed
from likewise.search.tuning.drift import groups_worth
from likewise.search.tuning.evidence import Evidence, conditions, data_fingerprint, quantiles_of
from likewise.search.tuning.final import Verdict, final_points, judged
from likewise.search.tuning.frontier import Point
from likewise.search.tuning.halving import FINALISTS, Halving, sample_sizes
from likewise.search.tuning.probes import Probes
from likewise.search.tuning.task import Task, exact_is_enough, prepared
from likewise.search.tuning.trial import candidates
from likewise.search.tuning.tuning import Tuning
from likewise.search.tuning.unreachable import unreachable

__all__ = ["PROBES", "tune"]

PROBES = 4000  # held out: a half chooses, the other judges


def tune(
    vectors: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    aim: Aim | None = None,
    limits: Limits | None = None,
    metric: str | Mahalanobis = "cosine",
    families: Sequence[str] | None = None,
    probes: Probes | None = None,
    items: pa.Table | None = None,
    count: int = PROBES,
    seed: int = 0,
) -> Tuning:
    """Find the fastest index that reaches a recall on queries that it does not hold.

    Exact search is timed first; where it is fast enough, that is all. Otherwise families and
    their settings are tried on samples, the promising ones on more and at last on all vectors,
    and the fastest are timed again in turn. One is taken if on other probes than those that chose
    it, too, the lower bound of its recall (95 % confidence) reaches what was asked.

    Args:
        vectors: [N,D], what will be indexed.
        labels: int64 [N], whose each is: for the recall of mates, and for unknown people among
            the probes.
        aim: recall 0.95 at k = 10, one query at a time, if None.
        limits: none if None.
        metric: see ``Index.build``.
        families: which to try; all that are installed if None.
        probes: queries that are not among the vectors; held out of them if None. Those whose very
            vector is among them are left out.
        items: what the index will describe; counts towards the limit of memory.
        count: how many to hold out, at most a tenth.
        seed: of all that is drawn.

    Raises:
        InputError: what the vectors, labels or probes cannot be; most probes are among the
            vectors; mates without labels; an unknown family.
        LikewiseError: nothing reaches the aim within the limits; says what came nearest, and what
            would reach it.

    Example:
        >>> import numpy as np
        >>> from likewise.search.tuning.aim import Aim
        >>> from likewise.search.tuning.tune import tune
        >>> vectors = np.random.default_rng(0).normal(size=(500, 8))
        >>> tune(vectors, aim=Aim(recall=0.9, latency=0.1)).pick.family
        'exact'
    """
    require_seed(seed)
    limits = replace(limits or Limits(), items_bytes=0 if items is None else items.nbytes)
    task = prepared(vectors, labels, aim or Aim(), limits, metric, probes, count, seed)
    trials, left_out = candidates(
        families, len(task.vectors), task.vectors.shape[1], task.space.metric
    )
    halving = Halving(task)
    found = {task.exact_point: task.exact}
    enough = exact_is_enough(task)
    if not enough and trials:
        sizes = sample_sizes(len(task.vectors))
        last = FINALISTS if sizes else len(trials)
        planned = sum(
            size * max(last, len(trials) // 2**cut) for cut, size in enumerate(sizes)
        ) + len(task.vectors) * min(last, len(trials))
        with progress("tuning", planned, unit="vectors") as advance:
            left = halving.run(trials, advance)
            found = final_points(task, left[:last], halving, advance)
    verdict = judged(task, found)
    if verdict is None:
        raise unreachable(task, found, halving)
    return Tuning(
        pick=verdict.pick,
        exact=task.exact_point,
        points=tuple(verdict.pick if p is verdict.point else p for p in _timed(found)),
        samples=tuple(_timed(halving.points)),
        not_tried=left_out,
        dropped=halving.dropped,
        reason=enough or _reason(verdict),
        evidence=_evidence(task, verdict, vectors),
        given=None if probes is None else len(probes),
        aim=task.aim,
        limits=task.limits,
        metric=metric,
    )


def _timed(points: Iterable[Point]) -> list[Point]:
    """The points that came near enough to the aim to be timed."""
    return [point for point in points if point.seconds < float("inf")]


def _reason(verdict: Verdict) -> str:
    if verdict.pick.family == "exact":
        return "nothing that surely reaches what is asked, within the limits, is faster than exact"
    words = f"the fastest that surely reaches what is asked, {verdict.speed:.2f}× exact search"
    if verdict.rejected:
        words += f"; {verdict.rejected} faster did not hold on the judging probes"
    return words


def _evidence(task: Task, verdict: Verdict, vectors: ArrayLike) -> Evidence:
    return Evidence(
        asked=task.aim.targets,
        k=task.aim.k,
        batch=task.aim.batch,
        threshold=task.threshold,
        recalls=verdict.recalls,
        own={},
        seconds=verdict.pick.seconds,
        exact_seconds=task.exact_point.seconds,
        speed=verdict.speed,
        memory=verdict.pick.memory + task.limits.items_bytes,
        exact_memory=task.exact.memory + task.limits.items_bytes,
        build_s=verdict.pick.build_s,
        count=len(task.vectors),
        held_out=task.held_out,
        probes=(len(task.choosing), len(task.judging)),
        independent=(groups_worth(task.judging.groups, task.judging.unknown), 0.0),
        nearest=quantiles_of(task.judge.nearest_scores[~task.judging.unknown]),
        nearest_unknown=quantiles_of(task.judge.nearest_scores[task.judging.unknown]),
        nearest_own=(),
        data=data_fingerprint(vectors),
        seed=task.seed,
        **conditions(),
    )
