"""What an index keeps of its tuning: the recall that was reached, how fast, and on what."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError
from likewise.machine import describe, versions
from likewise.search.tuning.recall import Recall

__all__ = ["Evidence", "conditions", "data_fingerprint", "quantiles_of"]

FORMAT = 1
QUANTILES = 201
PACKAGES = ("likewise", "numpy", "faiss-cpu", "hnswlib", "usearch", "annoy", "scann")


@dataclass(frozen=True)
class Evidence:
    """How well an index searches, as it was measured.

    Args:
        asked: the targets by name (``recall``, ``mates``).
        k: how many neighbours a search asked for.
        batch: how many queries came at one time.
        threshold: of mates; None where they were not measured.
        recalls: reached on probes that chose nothing.
        own: the same of its own vectors, each left out of its answer, when it was built; to be
            held against the same later, no measure of its own.
        seconds: a query of this index.
        exact_seconds: a query of exact search.
        speed: how many times as fast as exact search: the median of the ratios within rounds.
        memory: bytes resident.
        exact_memory: those of exact search.
        build_s: seconds to build.
        count: how many vectors the index had.
        held_out: how many of them were left out while it was tuned.
        probes: how many chose, and how many judged.
        independent: how many independent scores those of the judging probes are worth, and those
            of its own vectors; None where that was not kept.
        nearest: quantiles of the score of the nearest vector, over the judging probes whose people
            are known.
        nearest_unknown: the same, over the others.
        nearest_own: the same, over its own vectors.
        data: the fingerprint of the vectors.
        seed: of all that was drawn.
        machine: the kind of processor.
        versions: of the packages.
    """

    asked: Mapping[str, float]
    k: int
    batch: int
    threshold: float | None
    recalls: Mapping[str, Recall]
    own: Mapping[str, Recall]
    seconds: float
    exact_seconds: float
    speed: float
    memory: int
    exact_memory: int
    build_s: float
    count: int
    held_out: int
    probes: tuple[int, int]
    independent: tuple[float, float] | None
    nearest: tuple[float, ...]
    nearest_unknown: tuple[float, ...]
    nearest_own: tuple[float, ...]
    data: str
    seed: int
    machine: Mapping[str, Any]
    versions: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As the index keeps it: JSON."""
        values = {"format": FORMAT, **asdict(self)}
        lists = ("probes", "independent", "nearest", "nearest_unknown", "nearest_own")
        return values | {name: list(values[name]) for name in lists if values[name] is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Evidence:
        """Read what ``to_dict`` wrote.

        Raises:
            InputError: it is no evidence of this format, or something in it is missing.
        """
        if values.get("format") != FORMAT:
            raise InputError("evidence: not tuned; do it with: index build --recall 0.95")
        try:
            found = {
                entry.name: {"independent": None, **values}[entry.name] for entry in fields(cls)
            }
            for part in ("recalls", "own"):
                found[part] = {str(name): Recall(**told) for name, told in values[part].items()}
            first, second = values["probes"]
            found["probes"] = (int(first), int(second))
            if found["independent"] is not None:
                then, own = found["independent"]
                found["independent"] = (float(then), float(own))
            for part in ("nearest", "nearest_unknown", "nearest_own"):
                found[part] = tuple(float(score) for score in values[part])
            found["asked"] = {str(name): float(v) for name, v in values["asked"].items()}
            found["k"], found["count"] = int(values["k"]), int(values["count"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"evidence: damaged ({error!r}); tune the index again") from None
        return cls(**found)


def data_fingerprint(vectors: ArrayLike) -> str:
    """The SHA-256 of vectors [N,D] as float32, shape included: 16 hex digits.

    Example:
        >>> data_fingerprint([[1, 0]]) == data_fingerprint([[1.0, 0.0]])
        True
    """
    rows = np.asarray(vectors)
    digest = hashlib.sha256(str(rows.shape).encode())
    for start in range(0, len(rows), 65_536):
        part = np.ascontiguousarray(rows[start : start + 65_536], np.float32)
        digest.update(part.data)
    return digest.hexdigest()[:16]


def quantiles_of(scores: NDArray[np.float32]) -> tuple[float, ...]:
    """Scores in short: their quantiles, ascending, six digits; none of none.

    Example:
        >>> quantiles_of(np.float32([0.5, 0.25]))[::100]
        (0.25, 0.375, 0.5)
    """
    if not len(scores):
        return ()
    found = np.quantile(scores.astype(np.float64), np.linspace(0, 1, QUANTILES))
    return tuple(round(float(value), 6) for value in found)


def conditions() -> dict[str, Any]:
    """The machine and the versions that numbers depend on: ``machine`` and ``versions``."""
    return {"machine": describe(), "versions": versions(PACKAGES)}
