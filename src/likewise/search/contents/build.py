"""Build the engine over vectors, with exact search as the fallback."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa

from likewise.errors import InputError
from likewise.search.contents.rescaling import Rescaling
from likewise.search.contents.snapshot import Base
from likewise.search.contents.space import Space
from likewise.search.engines.engine import Engine, Ids, Vectors
from likewise.search.engines.parameters import Settings, checked_settings
from likewise.search.families.exact import Exact

__all__ = ["DisconnectedGraph", "build_base"]

log = logging.getLogger(__name__)

# A graph must find this share of a sample of its own vectors, each among its nearest AMONG.
SAMPLE, FOUND, AMONG = 200, 0.95, 10


class DisconnectedGraph(InputError):
    """A graph in which searches cannot reach many of the vectors."""


def build_base(
    family: type[Engine],
    space: Space,
    settings: Settings,
    vectors: Vectors,
    ids: Ids,
    items: pa.Table | None,
    *,
    fallback: bool = True,
) -> Base:
    """Build the family's engine; an exact one if there are too few vectors for the family.

    Args:
        family: the family's class.
        space: the metric.
        settings: checked build parameters.
        vectors: float32 [N,D], prepared by the space.
        ids: int64 [N].
        items: N rows, or None.
        fallback: replace a disconnected graph by an exact engine, with a warning.

    Raises:
        DisconnectedGraph: searches in the graph do not find its own vectors.
    """
    exact = Base(vectors, ids, items, Exact.build(vectors, space.metric, {}))
    if len(vectors) < max(1, family.min_vectors) or family is Exact:
        return exact
    plain = np.asarray(vectors)
    rescaling = Rescaling.for_vectors(plain, space.metric)
    rescaled = plain if rescaling is None else rescaling.apply(plain)
    engine = family.build(rescaled, space.metric, settings)
    base = Base(vectors, ids, items, engine, rescaling)
    if not family.is_graph or (share := _self_recall(base, space)) >= FOUND:
        return base
    problem = (
        f"family {family.name}: searches in its graph find {share:.0%} of its own vectors, which "
        "happens if many vectors are equally far from each other"
    )
    if not fallback:
        raise DisconnectedGraph(problem)
    log.warning("%s; exact search is used instead", problem)
    return exact


def _self_recall(base: Base, space: Space) -> float:
    """The share of sampled vectors that a search for them finds, or finds an equally near one."""
    kind, count = type(base.engine), len(base.ids)
    rows = np.unique(np.linspace(0, count - 1, SAMPLE).astype(np.int64))
    queries = np.ascontiguousarray(base.plain[rows])
    settings = checked_settings(kind.name, kind.search_parameters, None)
    found = base.nearest(queries, min(AMONG, count), settings)
    scores = space.scores(queries, base.plain[np.maximum(found, 0)])
    own = space.scores(queries, queries[:, None])
    return float(((scores >= own) & (found >= 0)).any(axis=1).mean())
