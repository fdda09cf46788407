"""The scores of a report, saved next to it for a later comparison."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from likewise.errors import InputError, first_line
from likewise.evaluation.experiment import Experiment
from likewise.storage import new_file

__all__ = ["ScoreFile", "read_scores", "write_scores"]

SCORES = "scores.parquet"


@dataclass(frozen=True)
class ScoreFile:
    """Pairs by the names of their photos, with identities, ground truth and scores.

    Args:
        pair: a key of both names, the same in either order, [N].
        left: the identity of the first photo, [N]; None if not known.
        right: the identity of the second photo.
        same: bool [N], whether the pair shows one person.
        scores: float64 [N].
    """

    pair: pa.Array
    left: pa.Array | None
    right: pa.Array | None
    same: NDArray[np.bool_]
    scores: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> ScoreFile:
        """The chosen pairs."""
        left, right = (None if s is None else s.take(rows) for s in (self.left, self.right))
        return ScoreFile(self.pair.take(rows), left, right, self.same[rows], self.scores[rows])


def write_scores(experiment: Experiment, folder: Path) -> Path:
    """Write ``scores.parquet``: ``left, right, same, score``, and the identities if known."""
    names = pa.array(experiment.names)
    columns = {
        "left": _chosen(names, experiment.left),
        "right": _chosen(names, experiment.right),
        "same": pa.array(experiment.same),
        "score": pa.array(experiment.scores),
    }
    if experiment.identities is not None:
        columns["left_identity"] = pa.array(experiment.identities[experiment.left])
        columns["right_identity"] = pa.array(experiment.identities[experiment.right])
    path = folder / SCORES
    with new_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary)
    return path


def _chosen(names: pa.Array, rows: NDArray[np.int64]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(rows.astype(np.int32)), names)


def read_scores(folder: Path) -> ScoreFile:
    """Read what ``write_scores`` wrote into a report's folder.

    Raises:
        InputError: the file is missing or damaged, or a score is not finite.
    """
    path = folder / SCORES
    if not path.exists():
        raise InputError(f"{folder}: has no {SCORES}; make the report with: evaluate --out")
    try:
        table = pq.read_table(path)
        sides = [table[side].cast(pa.string()).combine_chunks() for side in ("left", "right")]
        pair = pc.binary_join_element_wise(
            pc.min_element_wise(*sides), pc.max_element_wise(*sides), "\0"
        )
        same = table["same"].to_numpy().astype(bool)
        scores = table["score"].to_numpy().astype(np.float64)
        known = "left_identity" in table.column_names
        people = [
            table[f"{side}_identity"].combine_chunks() if known else None
            for side in ("left", "right")
        ]
    except (pa.ArrowException, KeyError, OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)})") from None
    if not np.isfinite(scores).all():
        raise InputError(f"{path}: row {int(np.argmin(np.isfinite(scores))) + 1} is not finite")
    return ScoreFile(pair, people[0], people[1], same, scores)
