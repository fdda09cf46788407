"""What a tuning found: the pick, what it was chosen from, and the evidence."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.data.embeddings import EXTERNAL
from likewise.distances.mahalanobis import Mahalanobis
from likewise.search.index import Index
from likewise.search.tuning.aim import Aim, Limits
from likewise.search.tuning.drift import groups_worth
from likewise.search.tuning.evidence import Evidence, data_fingerprint, quantiles_of
from likewise.search.tuning.frontier import Point, settings_text
from likewise.search.tuning.leave_one_out import own_yardstick
from likewise.search.tuning.trial import resident_bytes

__all__ = ["Tuning"]


@dataclass(frozen=True)
class Tuning:
    """The outcome of ``tune``.

    Args:
        pick: the fastest that surely reaches the aim; its recalls are those of the choosing
            probes, the evidence has those of the judging ones.
        exact: exact search, the measure of speed.
        points: all that was measured over the whole set.
        samples: what was measured on samples of it.
        not_tried: the families that could not be tried, and why.
        dropped: the candidates that went out before the end, and why.
        reason: why the pick was taken, in a sentence.
        evidence: what the index will keep.
        aim: what was asked.
        limits: what it might cost.
        metric: of the vectors.
        given: how many queries were given; None where they were held out.
    """

    pick: Point
    exact: Point
    points: tuple[Point, ...]
    samples: tuple[Point, ...]
    not_tried: Mapping[str, str]
    dropped: Mapping[str, str]
    reason: str
    evidence: Evidence
    aim: Aim
    limits: Limits
    metric: str | Mahalanobis
    given: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know about the queries that were given."""
        indexed = 0 if self.given is None else self.given - sum(self.evidence.probes)
        if not indexed:
            return ()
        return (
            f"queries: {indexed:,} of {self.given:,} have the very vector of one that is indexed; "
            "these are left out, for they would find themselves",
        )

    def build(
        self,
        vectors: ArrayLike,
        ids: ArrayLike | None = None,
        *,
        fingerprint: str = EXTERNAL,
        items: pa.Table | None = None,
    ) -> Index:
        """Build the pick over all vectors, those held out included; it keeps the evidence.

        Args:
            vectors: those that were tuned on, [N,D].
            ids: see ``Index.build``.
            fingerprint: see ``Index.build``.
            items: see ``Index.build``.

        Raises:
            InputError: see ``Index.build``.
        """
        built = Index.build(
            vectors, ids, family=self.pick.family, settings=self.pick.settings,
            search_settings=self.pick.search, metric=self.metric, fingerprint=fingerprint,
            items=items,
        )  # fmt: skip
        told = self.evidence
        yardstick = own_yardstick(built, told.k, told.threshold, seed=told.seed)
        judged = told.independent[0] if told.independent else float(told.probes[1])
        alone = told.exact_memory - self.limits.items_bytes
        described = 0 if items is None else items.nbytes
        evidence = replace(
            told,
            own=yardstick.measure(built.in_own_space()),
            independent=(judged, groups_worth(yardstick.probes.groups)),
            nearest_own=quantiles_of(yardstick.nearest_scores),
            memory=resident_bytes(built),
            exact_memory=round(alone * len(built) / told.count) + described,
            count=len(built),
            data=data_fingerprint(vectors),
        )
        built.evidence = evidence.to_dict()
        return built

    def command(self, data: str, out: str = "index", ids: str | None = None) -> str:
        """The command that builds the pick without tuning again.

        Args:
            data: the file of embeddings.
            out: the index's folder.
            ids: the file that names the rows of a .npy.
        """
        names = "" if ids is None else f" --ids {shlex.quote(ids)}"
        places = f"{shlex.quote(data)}{names} --out {shlex.quote(out)}"
        words = [f"likewise index build {places} --family {self.pick.family}"]
        words += [f"--build-parameter {name}={value}" for name, value in self.pick.settings.items()]
        words += [f"--search-parameter {name}={value}" for name, value in self.pick.search.items()]
        if isinstance(self.metric, str) and self.metric != "cosine":
            words.append(f"--distance {shlex.quote(self.metric)}")
        return " ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """The report's JSON."""
        return {
            "aim": {**self.aim.targets, "k": self.aim.k, "batch": self.aim.batch,
                    "latency_s": self.aim.latency, "threshold": self.evidence.threshold},
            "limits": {"memory_bytes": self.limits.memory, "build_s": self.limits.build},
            "pick": self.pick.to_dict(),
            "reason": self.reason,
            "notes": list(self.notes),
            "evidence": self.evidence.to_dict(),
            "exact": self.exact.to_dict(),
            "points": [point.to_dict() for point in self.points],
            "samples": [point.to_dict() for point in self.samples],
            "not_tried": dict(self.not_tried),
            "dropped": dict(self.dropped),
        }  # fmt: skip

    @property
    def name(self) -> str:
        """The pick in a line: family, build and search settings."""
        words = (self.pick.family, settings_text(self.pick.settings))
        searching = settings_text(self.pick.search)
        built = " ".join(word for word in words if word)
        return f"{built} / {searching}" if searching else built
