"""Build the engine over vectors, and fall back to exact search where the family cannot help."""

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

__all__ = ["DisconnectedGraph", "build_base", "build_family_base"]

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
) -> Base:
    """Build the family's engine; with a warning, an exact one in place of a disconnected graph."""
    try:
        return build_family_base(family, space, settings, vectors, ids, items)
    except DisconnectedGraph as error:
        log.warning("%s; exact search is used instead", error)
        return Base(vectors, ids, items, Exact.build(vectors, space.metric, {}))


def build_family_base(
    family: type[Engine],
    space: Space,
    settings: Settings,
    vectors: Vectors,
    ids: Ids,
    items: pa.Table | None,
) -> Base:
    """Build the family's engine; an exact one if there are too few vectors for the family.

    Raises:
        DisconnectedGraph: searches in the graph do not find its own vectors.
    """
    if len(vectors) < max(1, family.min_vectors):
        return Base(vectors, ids, items, Exact.build(vectors, space.metric, {}))
    plain = np.asarray(vectors)
    rescaling = None if family is Exact else Rescaling.for_vectors(plain, space.metric)
    rescaled = plain if rescaling is None else rescaling.apply(plain)
    engine = family.build(rescaled, space.metric, settings)
    base = Base(vectors, ids, items, engine, rescaling)
    if family.is_graph:
        share = _self_recall(base, space)
        if share < FOUND:
            raise DisconnectedGraph(
                f"family {family.name}: searches in its graph find {share:.0%} of its own vectors, "
                "which happens if many vectors are equally far from each other"
            )
    return base


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
