"""An index tuned and built in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.distances.mahalanobis import Mahalanobis
from likewise.search.index import Index
from likewise.search.tuning.aim import Aim, Limits, require_seed
from likewise.search.tuning.labels import labels_of
from likewise.search.tuning.probes import FEWEST
from likewise.search.tuning.tune import tune

__all__ = ["tuned_index"]

INSTANT = 5e-4  # seconds a query: to embed the photo takes ten times as long


def tuned_index(
    vectors: ArrayLike,
    ids: ArrayLike | None,
    aim: Aim,
    limits: Limits | None,
    families: Sequence[str] | None,
    metric: str | Mahalanobis,
    fingerprint: str,
    items: pa.Table | None,
    seed: int,
) -> Index:
    """Tune for what is asked, and build the pick over all vectors; see ``Index.build``.

    Of fewer vectors than probes can be held out of, it is the exact index, without evidence. Where
    exact search takes half a millisecond it is taken as well, unless the aim says how fast is fast.
    """
    require_seed(seed)
    rows = np.asarray(vectors)
    if rows.ndim == 0 or len(rows) < FEWEST:
        return Index.build(rows, ids, metric=metric, fingerprint=fingerprint, items=items)
    labels = None if items is None or items.num_rows != len(rows) else labels_of(items)
    if aim.latency is None:
        aim = replace(aim, latency=INSTANT)
    tuning = tune(
        rows,
        labels,
        aim=aim,
        limits=limits,
        metric=metric,
        families=families,
        items=items,
        seed=seed,
    )
    return tuning.build(rows, ids, fingerprint=fingerprint, items=items)
