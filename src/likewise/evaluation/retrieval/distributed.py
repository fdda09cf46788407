"""Probes and queries searched by several processes, a part each: the numbers of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.data.embeddings import Embeddings
from likewise.distances import Distance
from likewise.errors import InputError, LikewiseError
from likewise.evaluation.identification.closed_set import RANKS, Identification, identified
from likewise.evaluation.identification.enrolment import draw_enrolment
from likewise.evaluation.identification.open_set import FPIRS
from likewise.evaluation.identification.probe_scores import ProbeScores, ProbeSearch
from likewise.evaluation.nearest.neighbors import NearestSoFar
from likewise.evaluation.nearest.tiles import GALLERY_ROWS, MUTUAL_ROWS, QUERY_ROWS
from likewise.evaluation.retrieval.metrics import KS, NEIGHBORS_HELD, QuerySearch, Retrieval
from likewise.evaluation.retrieval.per_query import QueryMarks
from likewise.evaluation.retrieval.share_key import contents_key
from likewise.shares import Share

__all__ = [
    "Searches",
    "attempted",
    "identification_together",
    "retrieval_together",
    "search_together",
]

Arrays = Mapping[str, NDArray[Any]]
OF_EACH_PROBE = ("mated", "mate", "best_other", "rank")
TILES = [QUERY_ROWS, GALLERY_ROWS, MUTUAL_ROWS, NEIGHBORS_HELD]
T = TypeVar("T")


@dataclass(frozen=True)
class Searches:
    """What was searched of labelled embeddings; None where it was not asked for, or cannot be.

    Args:
        identification: probes searched in a gallery with one photo an identity.
        retrieval: every photo searched among all the others.
        left_out: why something that was asked for is missing.
    """

    identification: Identification | None = None
    retrieval: Retrieval | None = None
    left_out: tuple[str, ...] = ()


def search_together(
    embeddings: Embeddings,
    share: Share,
    *,
    tasks: Sequence[str] = ("identification", "retrieval"),
    distance: Distance | None = None,
    seed: int = 0,
) -> Searches:
    """Identification and retrieval of labelled embeddings, this process's part here.

    Args:
        embeddings: with identities; the same in every process.
        share: which process this is.
        tasks: of ``identification`` and ``retrieval``; others are passed over.
        distance: the cosine if None.
        seed: draws the gallery.

    Returns:
        Empty on all but the first process.

    Raises:
        LikewiseError: this process's part cannot be done, or the processes cannot meet. What the
            embeddings cannot show raises nothing, and is told in ``left_out``.
    """
    reasons: list[str] = []

    def identify() -> Identification | None:
        vectors, labels = embeddings.vectors, embeddings.labels
        drawn = draw_enrolment(labels, seed=seed)
        return identification_together(
            vectors[drawn.probes], labels[drawn.probes],
            vectors[drawn.gallery], labels[drawn.gallery], share, distance=distance,
        )  # fmt: skip

    def retrieve() -> Retrieval | None:
        return retrieval_together(embeddings.vectors, embeddings.labels, share, distance=distance)

    return Searches(
        attempted("identification", identify, reasons) if "identification" in tasks else None,
        attempted("retrieval", retrieve, reasons) if "retrieval" in tasks else None,
        tuple(reasons),
    )


def attempted(name: str, measure: Callable[[], T], reasons: list[str]) -> T | None:
    """What is measured; where the input cannot show it None, and the reason is added."""
    try:
        return measure()
    except InputError as error:
        reasons.append(f"{name}: {str(error).removeprefix(f'{name}: ')}")
        return None


def identification_together(
    probes: ArrayLike,
    probe_labels: ArrayLike,
    gallery: ArrayLike,
    gallery_labels: ArrayLike,
    share: Share,
    *,
    ranks: Sequence[int] = RANKS,
    fpirs: Sequence[float] = FPIRS,
    max_rank: int = 1,
    distance: Distance | None = None,
) -> Identification | None:
    """Identify probes in a gallery, those of this process's stretch here and the rest elsewhere.

    The stretches are of whole tiles, so each score is the one that a single process would find.
    Beside ``share`` the arguments, the same in every process, are those of ``identification``.

    Returns:
        None on all but the first process.

    Raises:
        InputError: see ``identification``.
        LikewiseError: this process's stretch cannot be done, or the processes cannot meet.

    Example:
        >>> from likewise.evaluation.retrieval.distributed import identification_together
        >>> from likewise.shares import own_share
        >>> found = identification_together(
        ...     [[3, 4], [1, 0.1]], ["bob", "anna"], [[1, 0], [0, 1]], ["anna", "bob"], own_share()
        ... )
        >>> found.closed.rates[1]
        1.0
    """
    limit = max([*ranks, max_rank], default=0)
    search = ProbeSearch(
        probes, probe_labels, gallery, gallery_labels, limit=limit, distance=distance
    )

    def work() -> Arrays:
        scored = search.scored(share.stretch(len(search.wanted), QUERY_ROWS))
        return {name: getattr(scored, name) for name in OF_EACH_PROBE}

    def key() -> list[object]:
        arrays = search.wanted, search.rows, search.own, search.enrolled
        return [*contents_key(search.distance, *arrays), search.limit]

    shares = _gathered(share, "probes", key, work)
    if shares is None:
        return None
    mated, mate, best_other, rank = (
        np.concatenate([part[name] for part in shares]) for name in OF_EACH_PROBE
    )
    scored = ProbeScores(
        identities=search.identities,
        templates=len(search.rows),
        mated=mated,
        mate=mate,
        best_other=best_other,
        rank=rank,
        limit=search.limit,
    )
    return identified(scored, ranks=ranks, fpirs=fpirs, max_rank=max_rank)


def retrieval_together(
    queries: ArrayLike,
    labels: ArrayLike,
    share: Share,
    gallery: ArrayLike | None = None,
    gallery_labels: ArrayLike | None = None,
    *,
    own_rows: ArrayLike | None = None,
    ks: Sequence[int] = KS,
    distance: Distance | None = None,
) -> Retrieval | None:
    """Search queries in a gallery, a part of them here and the rest elsewhere.

    Where the queries are the gallery, each pair of rows is scored once, and the tiles of pairs are
    dealt; otherwise each process takes a stretch of the queries. Beside ``share`` the arguments,
    the same in every process, are those of ``retrieval``.

    Returns:
        None on all but the first process.

    Raises:
        InputError: see ``retrieval``.
        LikewiseError: this process's part cannot be done, or the processes cannot meet.

    Example:
        >>> from likewise.evaluation.retrieval.distributed import retrieval_together
        >>> from likewise.shares import own_share
        >>> rows = [[1, 0], [2, 1], [0, 1], [1, 3]]
        >>> retrieval_together(rows, ["a", "a", "b", "b"], own_share()).recall[1]
        1.0
    """
    search = QuerySearch(
        queries, labels, gallery, gallery_labels, own_rows=own_rows, ks=ks, distance=distance
    )

    def key() -> list[object]:
        arrays = search.wanted, search.rows, search.codes, search.among, search.own
        return [*contents_key(search.distance, *arrays), list(search.ks)]

    def dealt() -> Arrays:
        return {"keys": search.others(share.rank, share.count).keys.numpy()}

    def stretch() -> Arrays:
        return vars(search.marks(share))

    shares = _gathered(share, "queries", key, dealt if search.mutual else stretch)
    if shares is None:
        return None
    if not search.mutual:
        return search.measured(QueryMarks.joined(QueryMarks(**part) for part in shares))
    first, *rest = (part["keys"] for part in shares)
    found = NearestSoFar.of(first)
    for keys in rest:
        found.join(keys)
    return search.measured(search.marks_among_others(found))


def _gathered(
    share: Share, name: str, key: Callable[[], list[object]], work: Callable[[], Arrays]
) -> list[Arrays] | None:
    """As ``Share.gather``; what is wrong in one share alone ends its process.

    What all processes see to be wrong is an ``InputError``, after which all go on alike. If one
    alone went on, the first would wait for it for ever.
    """
    if share.count == 1:
        return [work()]

    def alone() -> Arrays:
        try:
            return work()
        except InputError as error:
            raise LikewiseError(str(error)) from error

    return share.gather(name, [*key(), TILES], alone)
