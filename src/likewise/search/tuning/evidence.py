"""The measurements that a tuned index keeps: recall, time, memory, data and machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError
from likewise.machine import describe, versions
from likewise.search.families import FAMILIES
from likewise.search.tuning.recall import Recall

__all__ = ["Evidence", "conditions", "data_fingerprint", "quantiles_of"]

FORMAT = 1
QUANTILES = 201
PACKAGES = ("likewise", "numpy", "faiss-cpu")  # besides the libraries of the families


@dataclass(frozen=True)
class Evidence:
    """The measured quality and cost of an index.

    Args:
        asked: the target recalls by name (``recall``, ``mates``).
        k: how many neighbors a search asked for.
        batch: how many queries came at a time.
        threshold: for the recall of mates; None if it was not measured.
        recalls: on the validation probes.
        own: the recalls of its own vectors, each left out of its own result, at build time; only
            for comparison with the same recalls later.
        seconds: a query of this index.
        exact_seconds: a query of exact search.
        speed: how many times as fast as exact search: the median of the ratios within rounds.
        memory: resident bytes.
        exact_memory: those of exact search.
        build_s: seconds to build.
        count: the number of vectors of the index.
        held_out: how many of them were held out while it was tuned.
        probes: the numbers of selection and validation probes.
        independent: the effective numbers of scores of the validation probes and of its own
            vectors; None in older files.
        nearest: quantiles of the score of the nearest vector, over validation probes of known
            people.
        nearest_unknown: the same for unknown people.
        nearest_own: the same for its own vectors.
        data: the fingerprint of the vectors.
        seed: of all random choices.
        machine: processor and system.
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
        """The JSON that the index keeps."""
        values = {"format": FORMAT, **asdict(self)}
        lists = ("probes", "independent", "nearest", "nearest_unknown", "nearest_own")
        return values | {name: list(values[name]) for name in lists if values[name] is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Evidence:
        """Read what ``to_dict`` wrote.

        Raises:
            InputError: it has another format, or a value is missing.
        """
        if values.get("format") != FORMAT:
            raise InputError(
                "evidence: the index is not tuned; tune it with: likewise index build --recall 0.95"
            )
        try:
            found = {
                entry.name: {"independent": None, **values}[entry.name] for entry in fields(cls)
            }
            for part in ("recalls", "own"):
                found[part] = {str(name): Recall(**entry) for name, entry in values[part].items()}
            first, second = values["probes"]
            found["probes"] = (int(first), int(second))
            if found["independent"] is not None:
                validation, own = found["independent"]
                found["independent"] = (float(validation), float(own))
            for part in ("nearest", "nearest_unknown", "nearest_own"):
                found[part] = tuple(float(score) for score in values[part])
            found["asked"] = {str(name): float(v) for name, v in values["asked"].items()}
            found["k"], found["count"] = int(values["k"]), int(values["count"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"evidence: damaged ({error!r}); tune the index again") from None
        return cls(**found)


def data_fingerprint(vectors: ArrayLike) -> str:
    """The SHA-256 of vectors [N,D] as float32 and of their shape: 16 hex digits.

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
    """The quantiles of scores, ascending, with six decimals; empty without scores.

    Example:
        >>> quantiles_of(np.float32([0.5, 0.25]))[::100]
        (0.25, 0.375, 0.5)
    """
    if not len(scores):
        return ()
    found = np.quantile(scores.astype(np.float64), np.linspace(0, 1, QUANTILES))
    return tuple(round(float(value), 6) for value in found)


def conditions() -> dict[str, Any]:
    """``machine`` and ``versions`` of the measurements."""
    libraries = {(family.library or "").partition(".")[0] for family in FAMILIES.values()} - {""}
    return {"machine": describe(), "versions": versions([*PACKAGES, *sorted(libraries)])}
